"""Groups: which candidates of a prompt a builder may use, and in which order it looks at them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read, write
from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import repeats, spans, texts_of
from lit_iterative.seeds import generator

#: What becomes of completions that were cut: they go, may only be rejected, or count like any other.
Truncated = Literal["drop", "reject", "keep"]


@dataclass(frozen=True)
class Group:
    """The usable candidates of one prompt, in an order that is drawn for the prompt, so that equals have equal chances.

    Args:
        rows: Where they stand in the table, ``(candidates,)``.
        score: Their scores, ``(candidates,)``.
        complete: Whether each may be chosen, ``(candidates,)``: false for those that may only be rejected.
        draw: For further draws.
    """

    rows: Array
    score: Array
    complete: Array
    draw: np.random.Generator

    def levels(self) -> list[Array]:
        """Return the candidates of every score, from the best score to the worst."""
        return [np.flatnonzero(self.score == value) for value in np.unique(self.score)[::-1]]


def groups_of(
    table: pa.Table,
    context: Context,
    stream: str,
    score: Array,
    truncated: Truncated,
    keys: Sequence[Any] | None,
) -> Iterator[Group]:
    """Yield every group of a table, and count ``abstained``, ``truncated`` and ``duplicates``.

    Args:
        table: Candidates with ``group`` and ``finish``; those of a group stand together.
        context: The round, from which the draws follow.
        stream: Name of the draws.
        score: The score of every row, NaN where the scorer abstained: such a row is never used.
        truncated: What becomes of cut completions.
        keys: Of usable candidates of a group with equal keys, only the first is used. None takes all.

    Raises:
        DataError: If rows of a group stand apart.
    """
    cut, abstained = is_cut(table), np.isnan(score)
    usable = ~abstained & ~(cut & (truncated == "drop"))
    context.tally.count("abstained", int(abstained.sum()))
    context.tally.count("truncated", int(cut.sum()))
    context.tally.count("duplicates", 0)
    names = read(table, "group").tolist()
    for start, end in spans(table):
        rows = start + np.flatnonzero(usable[start:end])
        if keys is not None:
            again = repeats([keys[row] for row in rows.tolist()])
            context.tally.count("duplicates", int(again.sum()))
            rows = rows[~again]
        draw = generator(context.seed, stream, context.round, str(names[start]))
        rows = rows[draw.permutation(len(rows))]
        yield Group(rows, score[rows], ~cut[rows] | (truncated == "keep"), draw)


def is_cut(table: pa.Table) -> Array:
    """Return a mask of the completions that were cut for their length, shape ``(rows,)``.

    Example:
        >>> is_cut(pa.table({"finish": ["stop", "length"]})).tolist()
        [False, True]
    """
    return np.array([reason == "length" for reason in texts_of(table, "finish")], dtype=bool)


def scores_of(table: pa.Table, name: str) -> Array:
    """Return a column of scores as float64, shape ``(rows,)``; NaN where the scorer abstained.

    Raises:
        DataError: If there is no such column, it does not hold one number a row, or a score is infinite.

    Example:
        >>> scores_of(pa.table({"scores.vote": [0.5, float("nan")]}), "scores.vote")
        array([0.5, nan])
    """
    score = read(table, name)
    if score.ndim != 1 or score.dtype.kind not in "fiub":
        raise DataError(
            f"Column {name!r} has type {score.dtype} and shape {score.shape}, but a score is one number a row. "
            "Name a column that a scorer provides, for example scores.reward."
        )
    exact = score.astype(np.float64)
    if np.isinf(exact).any():
        raise DataError(
            f"Column {name!r} is infinite in {int(np.isinf(exact).sum())} of {len(exact)} rows, so that no difference "
            "of scores means anything. Give finite scores, and NaN where the scorer abstains."
        )
    return exact


def weighted(table: pa.Table, weight: Array) -> pa.Table:
    """Return the table with a float32 ``weight``, which multiplies one that is there.

    Args:
        table: Rows.
        weight: Of each, ``(rows,)``.

    Example:
        >>> weighted(pa.table({"weight": [0.5]}), np.array([4.0])).to_pylist()
        [{'weight': 2.0}]
    """
    factor = read(table, "weight").astype(np.float64) if "weight" in table.column_names else 1.0
    return write(table, weight=(weight * factor).astype(np.float32))
