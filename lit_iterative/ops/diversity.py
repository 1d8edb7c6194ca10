"""Diversity: rows that say something the others do not."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep, read
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, whole
from lit_iterative.ops.ranking import best_first, first_of_each_mask, id_order, read_score
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class Dedup(Op):
    """Drops rows that repeat the values of another row, keeping the best of them.

    Args:
        columns: Rows are the same when they agree in all of these: hashes, labels, features, …; at least one.
        score: The row with the best score stays; of equals, or without a score, the one with the lowest id.
        decimals: Round floating-point columns to so many decimals first; compared exactly when left out.
        keep_above: Whether large scores are best, or small ones.

    Raises:
        PipelineError: If there are no columns.
        DataError: If a score, or a number that is compared, is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(label=[3, 3, 5], **{"scores.confidence": [0.8, 0.9, 0.5]})
        >>> show(Dedup(["label"])(table, None), "id")
        [0, 2]
        >>> show(Dedup(["label"], score="scores.confidence")(table, None), "id")
        [1, 2]
    """

    columns: list[str]
    score: str | None = None
    decimals: int | None = None
    keep_above: bool = True
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        if not self.columns or isinstance(self.columns, str):
            raise PipelineError(
                f"Dedup has the columns {self.columns!r}. Give a list of at least one name, for example ['label']."
            )

    @property
    def requires(self) -> tuple[str, ...]:
        """What is compared, and the score if there is one."""
        return (*self.columns, *([self.score] if self.score else []))

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one row of each kind."""
        kinds = np.zeros(table.num_rows, dtype=np.int64)
        for column in self.columns:
            kinds = joint_codes(kinds, codes(self._values(table, column), self.decimals))
        if self.score is None:
            order = id_order(table)
        else:
            order = best_first(table, read_score(table, self.score), self.keep_above)
        one = np.ones(kinds.max(initial=-1) + 1, dtype=np.int64)
        return keep(table, first_of_each_mask(order, kinds, one))

    def _values(self, table: pa.Table, column: str) -> Array:
        values = read(table, column)
        if values.dtype.kind == "f" and np.isnan(values).any():
            raise DataError(
                f"Dedup compares the column {column!r}, but {np.isnan(values).sum()} of its numbers are NaN, equal to "
                "nothing. Fill or drop these rows first."
            )
        return values


def codes(values: Array, decimals: int | None = None) -> Array:
    """Number the distinct values of a column from 0 on, shape ``(rows,)``.

    Args:
        values: Numbers, strings or lists of either, shape ``(rows,)``, or vectors ``(rows, width)``.
        decimals: Round floating-point numbers first.

    Example:
        >>> codes(np.array([[1, 2], [0, 5], [1, 2]]))
        array([1, 0, 1])
    """
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    if values.dtype.kind == "O":
        known: dict[Any, int] = {}
        return np.array([known.setdefault(_hashable(value), len(known)) for value in values], dtype=np.int64)
    if values.dtype.kind == "f" and decimals is not None:
        values = values.round(decimals)
    axis = 0 if values.ndim == 2 else None
    return np.unique(values, axis=axis, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _hashable(value: Any) -> Any:
    return tuple(value.tolist()) if isinstance(value, np.ndarray) else value


def joint_codes(left: Array, right: Array) -> Array:
    """Number the distinct pairs of two numberings from 0 on.

    Example:
        >>> joint_codes(np.array([0, 0, 1]), np.array([0, 1, 1]))
        array([0, 1, 2])
    """
    pairs = left * (right.max(initial=-1) + 1) + right
    return codes(pairs)


@dataclass(frozen=True)
class FarthestPoint(Op):
    """Keeps rows that cover a space of features: each next one is the farthest from those taken.

    Farthest-first traversal (Gonzalez, 1985), the greedy 2-approximation of the k-center problem. It begins with the
    best row by the score, or that with the lowest id; of equally far rows the one with the lowest id is next. It
    costs ``k * rows * width`` multiplications and memory for one copy of the features in float64.

    Args:
        k: Rows to keep; 1 or more.
        column: Vectors ``(rows, width)``, for example ``probs``, ``logits`` or features.
        score: Where it begins.
        cosine: Whether vectors are scaled to length 1 first, so that only directions count; zeros stay zeros.
        keep_above: Whether large scores are best, or small ones.

    Raises:
        PipelineError: If ``k`` is below 1.
        DataError: If the column has no vectors, or numbers that are not finite, or a score is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(features=[[0.0, 0.0], [0.1, 0.0], [5.0, 0.0], [2.0, 0.0]])
        >>> show(FarthestPoint(3, "features")(table, None), "id")
        [0, 2, 3]
    """

    k: int | Schedule
    column: str
    score: str | None = None
    cosine: bool = False
    keep_above: bool = True
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("FarthestPoint(k)", self.k, 1)

    @property
    def requires(self) -> tuple[str, ...]:
        """The vectors, and the score if there is one."""
        return (self.column, self.score) if self.score else (self.column,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows taken, in the order of the table."""
        order, mask = id_order(table), np.zeros(table.num_rows, dtype=bool)
        points = self._points(table)[order]
        first = 0
        if self.score is not None and len(order):
            best = best_first(table, read_score(table, self.score), self.keep_above)[0]
            first = int(np.flatnonzero(order == best)[0])
        mask[order[farthest_first(points, whole(self.k), first)]] = True
        return keep(table, mask)

    def _points(self, table: pa.Table) -> Array:
        points = read(table, self.column)
        if points.ndim != 2 or points.dtype.kind not in "fiub" or not np.isfinite(points).all():
            raise DataError(
                f"FarthestPoint needs vectors of finite numbers in the column {self.column!r}, but it has type "
                f"{points.dtype} and shape {points.shape}. Name a column (rows, width) and drop rows with NaN."
            )
        points = points.astype(np.float64)
        if self.cosine:
            lengths = np.linalg.norm(points, axis=1, keepdims=True)
            points = points / np.where(lengths > 0, lengths, 1.0)
        return points


def farthest_first(points: Array, k: int, first: int = 0) -> Array:
    """Return the positions of ``k`` points, each the farthest from those before it, the first of equals.

    Args:
        points: Shape ``(rows, width)``.
        k: How many; all where there are fewer.
        first: Where it begins.

    Example:
        >>> farthest_first(np.array([[0.0], [1.0], [9.0], [4.0]]), k=3)
        array([0, 2, 3])
    """
    k = min(k, len(points))
    taken = np.zeros(k, dtype=np.int64)
    nearest = np.full(len(points), np.inf)
    for step in range(k):
        here = int(nearest.argmax()) if step else first
        taken[step] = here
        away = points - points[here]
        nearest = np.minimum(nearest, np.einsum("ij,ij->i", away, away))
        nearest[here] = -1.0  # repeats of a taken point have distance 0 and may still be taken, once each
    return taken
