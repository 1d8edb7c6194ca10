"""RunCode: whether the program in a completion passes its tests."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from lit_iterative.answers import sandbox
from lit_iterative.answers.extract import Extractor, PythonBlock
from lit_iterative.answers.sandbox import STATUSES, Limits
from lit_iterative.columns import write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.contain import each
from lit_iterative.ops.language.tokens import strings_of, texts_of
from lit_iterative.ops.op import Op
from lit_iterative.ops.parameters import check_range


@dataclass(frozen=True)
class RunCode(Op):
    r"""Runs the program in every completion, with its tests, in a sandbox.

    The sandbox contains programs that fork, write files, open sockets, use up memory or never end, and is no security
    boundary: see :func:`lit_iterative.answers.sandbox.run`. Run untrusted models in a container. A program near
    its time limit may pass in one run and not in another; all else is the same in every run.

    Requires ``text`` and the tests; provides ``scores.correct`` float64 ``(rows,)``: 1 where the tests ran to their
    end, 0 where they did not or there is no code, NaN where there are no tests. Counts ``no_code``, ``no_tests``,
    ``extractor_errors``, and how programs went: ``code_passed``, ``code_failed``, ``code_refused``, ``code_timeout``,
    ``code_memory``, ``code_output``, ``code_crashed``. Measures ``correct``.

    Args:
        tests: The column of test programs, which raise where the code is wrong; they run after it in one module.
        extractor: Where in the text the code stands.
        limits: What each program may use up.
        workers: Programs that run at once, 1 or more.

    Raises:
        PipelineError: If there are no workers.
        SetupError: If the system is not POSIX, when run.
        DataError: If a column is missing, when run.

    Example:
        >>> from lit_iterative.ops.testing import show
        >>> from lit_iterative.pool import Pool
        >>> text = "```python\ndef double(x): return 2 * x\n```"
        >>> table = pa.table({"id": [1, 2], "text": [text, "no"], "tests": ["assert double(2) == 4"] * 2})
        >>> show(RunCode()(table, Context(Pool([0], 1))), "scores.correct")
        [1.0, 0.0]
    """

    tests: str = "tests"
    extractor: Extractor = field(default_factory=PythonBlock)
    limits: Limits = field(default_factory=Limits)
    workers: int = 4

    def __post_init__(self) -> None:
        check_range("RunCode(workers)", self.workers, 1)

    @property
    def requires(self) -> tuple[str, ...]:
        """The completions and the tests."""
        return ("text", self.tests)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.correct",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        texts, tests = texts_of(table, "text"), strings_of(table, self.tests)
        codes = each(range(len(texts)), lambda row: self.extractor(texts[row]), "extractor", table, context)
        score = np.array([np.nan if test is None else 0.0 for test in tests], dtype=np.float64)
        rows = [row for row, code in enumerate(codes) if code is not None and tests[row] is not None]
        with ThreadPoolExecutor(self.workers) as threads:
            outcomes = list(
                threads.map(lambda row: sandbox.run(codes[row] or "", tests[row] or "", "", self.limits), rows)
            )
        score[rows] = [float(outcome.status == "passed") for outcome in outcomes]
        statuses = Counter(outcome.status for outcome in outcomes)
        for status in STATUSES:
            context.tally.count(f"code_{status}", statuses[status])
        context.tally.count("no_code", codes.count(None))
        context.tally.count("no_tests", tests.count(None))
        context.tally.mean("correct", score)
        return write(table, **{"scores.correct": score})
