"""RunCode: programs of a table run side by side, and each outcome is counted in its place."""

import math
import os
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

from lit_iterative.answers import WholeText
from lit_iterative.answers.sandbox import Limits
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Context
from lit_iterative.ops.language.score.run_code import RunCode
from lit_iterative.pool import Pool


def score(op: RunCode, texts: list[str], tests: list[str | None]) -> tuple[list[float | None], dict[str, float]]:
    context = Context(Pool([0], 1))
    made = op(pa.table({"id": range(len(texts)), "text": texts, "tests": pa.array(tests, pa.string())}), context)
    scores = [None if math.isnan(value) else value for value in made.column("scores.correct").to_pylist()]
    return scores, {name: number for name, number in context.tally.values().items() if number}


def block(code: str) -> str:
    return f"Here it is:\n```python\n{code}\n```\n"


def test_every_outcome_is_counted_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    texts = [
        block("def f(): return 1"),
        block("def f(): return 2"),
        block("def f(): return 1") + block("def f(): return 3"),
        "def f(): return 1",
        block("import os\nos.fork()"),
        block("def f():\n    while True: pass"),
        block("f = lambda: len(bytearray(10 ** 10))"),
        block("while True: print('x' * 10 ** 6)"),
        block("import sys; sys.exit(0)"),
        block("def f(): return 1"),
        block("\x00"),
    ]
    tests: list[str | None] = ["assert f() == 1"] * len(texts)
    tests[9] = None
    op = RunCode(limits=Limits(seconds=1.0), workers=3)
    scores, measured = score(op, texts, tests)
    assert scores == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, None, 0.0]
    assert measured == {
        "correct": 0.1,
        "code_passed": 1,
        "code_failed": 4,
        "code_refused": 1,
        "code_timeout": 1,
        "code_memory": 1,
        "code_output": 1,
        "no_code": 1,
        "no_tests": 1,
    }
    assert os.listdir(tmp_path) == []


def test_code_without_a_block() -> None:
    scores, _ = score(RunCode(extractor=WholeText()), ["x = 1", "x = 2"], ["assert x == 1"] * 2)
    assert scores == [1.0, 0.0]


def test_what_is_missing_is_told() -> None:
    with pytest.raises(PipelineError, match=r"RunCode\(workers\) is 0"):
        RunCode(workers=0)
    with pytest.raises(DataError, match="no column 'checks'"):
        score(RunCode(tests="checks"), ["x"], ["y"])
