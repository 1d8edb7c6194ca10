"""Verifiers: whether a completion is right, by its key or by a function of your own."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from lit_iterative.answers.compare import Comparison, Numeric
from lit_iterative.columns import write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.contain import each
from lit_iterative.ops.language.tokens import strings_of, texts_of
from lit_iterative.ops.op import Op

SCORE = "scores.correct"


@dataclass(frozen=True)
class Verify(Op):
    """Compares the final answer of every completion with the right one.

    Requires ``final`` and the key; provides ``scores.correct`` float64 ``(rows,)``: 1 where the answer is right, 0
    where it is wrong or there is none, and NaN where it cannot be judged, because the key is empty, the comparison
    abstains, or it raises. Counts ``no_key``, ``not_judged`` and ``verifier_errors``; measures ``correct``.

    Args:
        comparison: When two answers are the same.
        key: The column of right answers: texts, numbers or truth values.

    Raises:
        DataError: If a column is missing or holds lists, or the comparison raises on every row of a shard, when run.

    Example:
        >>> from lit_iterative.ops.testing import show
        >>> from lit_iterative.pool import Pool
        >>> table = pa.table({"id": [1, 2, 3], "final": ["0.5", None, "7"], "answer": ["1/2", "3", None]})
        >>> show(Verify()(table, Context(Pool([0], 1))), "scores.correct")
        [1.0, 0.0, nan]
    """

    comparison: Comparison = field(default_factory=Numeric)
    key: str = "answer"

    @property
    def requires(self) -> tuple[str, ...]:
        """The answers, and the right ones."""
        return ("final", self.key)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return (SCORE,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        finals, keys = strings_of(table, "final"), keys_as_text(table, self.key)
        judgeable = [row for row, key in enumerate(keys) if key is not None and finals[row] is not None]
        verdicts = each(
            judgeable, lambda row: self.comparison(finals[row] or "", keys[row] or ""), "verifier", table, context
        )
        score = np.array([np.nan if key is None else 0.0 for key in keys], dtype=np.float64)
        score[judgeable] = [np.nan if verdict is None else float(verdict) for verdict in verdicts]
        context.tally.count("no_key", keys.count(None))
        context.tally.count("not_judged", verdicts.count(None))
        context.tally.mean("correct", score)
        return write(table, **{SCORE: score})


def keys_as_text(table: pa.Table, name: str) -> list[str | None]:
    """Return a column of right answers as texts, ``None`` where a cell is empty or NaN.

    Raises:
        DataError: If the table has no such column, or it holds lists.

    Example:
        >>> keys_as_text(pa.table({"answer": [19, None]}), "answer")
        ['19', None]
    """
    if name not in table.column_names:
        raise DataError(
            f"The table has no column {name!r} of right answers; it has {table.column_names}. Carry it from the pool: "
            f"Prompts(fields=[{name!r}])."
        )
    column = table.column(name)
    if pa.types.is_nested(column.type):
        raise DataError(
            f"The column {name!r} of right answers has the type {column.type}. Give one text or number for each row, "
            "or write a function for VerifyWith."
        )
    values = column.to_pylist()
    return [None if value is None or value != value else str(value) for value in values]


@dataclass(frozen=True)
class VerifyWith(Op):
    """Scores every completion with a function of your own.

    Requires ``text`` and the columns named; provides ``scores.correct`` float64 ``(rows,)``: what the function returns,
    NaN where it abstains or raises. Counts ``not_judged`` and ``verifier_errors``; measures ``correct``.

    Args:
        function: Called with the text and a dictionary of ``id`` and the columns; returns a finite number, a truth
            value, or ``None`` to abstain. In YAML its import path; it stands at the top of a module.
        columns: Names of the columns that it looks at.

    Raises:
        PipelineError: If the function has no import path.
        DataError: If a column is missing, or the function raises on every row of a shard, when run.

    Example:
        >>> from lit_iterative.ops.testing import show
        >>> from lit_iterative.pool import Pool
        >>> def is_short(text, row):
        ...     return len(text) <= row["longest"]
        >>> table = pa.table({"id": [1, 2], "text": ["brief", "at length"], "longest": [5, 5]})
        >>> show(VerifyWith(is_short, ["longest"])(table, Context(Pool([0], 1))), "scores.correct")
        [1.0, 0.0]
    """

    function: Callable[[str, dict[str, Any]], float | bool | None]
    columns: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        path = getattr(self.function, "__qualname__", "<nameless>")
        if "<" in path:
            raise PipelineError(
                f"VerifyWith(function) is {path!r}, which has no import path, so that no manifest can name it. Define "
                "a function at the top of a module."
            )

    @property
    def requires(self) -> tuple[str, ...]:
        """The completions, and what the function looks at."""
        return ("text", *self.columns)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return (SCORE,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        texts = texts_of(table, "text")
        lost = sorted(set(self.columns) - set(table.column_names))
        if lost:
            raise DataError(f"VerifyWith looks at {lost}, but there are only {table.column_names}. Provide them first.")
        rows = table.select(list(dict.fromkeys(["id", *self.columns]))).to_pylist()
        scores = each(
            range(len(texts)), lambda row: _number(self.function(texts[row], rows[row])), "verifier", table, context
        )
        score = np.array([np.nan if value is None else value for value in scores], dtype=np.float64)
        context.tally.count("not_judged", scores.count(None))
        context.tally.mean("correct", score)
        return write(table, **{SCORE: score})


def _number(value: float | bool | None) -> float | None:
    """Return what a function of the user says as a number.

    Raises:
        ValueError: If it is infinite.
    """
    if value is None or math.isnan(value):
        return None
    if math.isinf(value):
        raise ValueError("The score is infinite. Return a finite number.")
    return float(value)
