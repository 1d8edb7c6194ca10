"""Selection by a score alone: a fixed bound, the best share, the best few."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep
from lit_iterative.ops.classes import read_classes
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, number, whole
from lit_iterative.ops.ranking import best_first, first_mask, first_of_each_mask, read_score
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class Threshold(Op):
    """Keeps rows whose score is at least a value.

    Args:
        value: The bound, in units of the score.
        column: The score.
        keep_above: Whether large scores are kept, or small ones (at most the value).

    Raises:
        DataError: If a score is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(**{"scores.confidence": [0.5, 0.99]})
        >>> show(Threshold(0.95)(table, None), "id")
        [1]
    """

    value: float | Schedule
    column: str = "scores.confidence"
    keep_above: bool = True

    @property
    def requires(self) -> tuple[str, ...]:
        """The score."""
        return (self.column,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows that pass."""
        score, value = read_score(table, self.column), number(self.value)
        return keep(table, score >= value if self.keep_above else score <= value)


@dataclass(frozen=True)
class Quantile(Op):
    """Keeps the best share of all rows.

    ``ceil(share * rows)`` rows stay; of equal scores, those with the lower ids.

    Args:
        share: Share of the rows, in [0, 1].
        column: The score.
        keep_above: Whether large scores are best, or small ones.

    Raises:
        PipelineError: If the share is outside of [0, 1].
        DataError: If a score is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(**{"scores.confidence": [0.5, 0.99, 0.7, 0.6]})
        >>> show(Quantile(0.5)(table, None), "id")
        [1, 2]
    """

    share: float | Schedule
    column: str = "scores.confidence"
    keep_above: bool = True
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("Quantile(share)", self.share, 0, 1)

    @property
    def requires(self) -> tuple[str, ...]:
        """The score."""
        return (self.column,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the best rows."""
        return keep(table, share_mask(table, self.column, number(self.share), self.keep_above))


@dataclass(frozen=True)
class TopK(Op):
    """Keeps the best rows, so many of the whole table or of every class; of equal scores, those with the lower ids.

    Args:
        k: Rows to keep, of the table or of each class; 0 or more.
        column: The score.
        per_class: Whether ``k`` counts for each class.
        classes: What says the class: probabilities, of which the largest counts, or labels.
        keep_above: Whether large scores are best, or small ones.

    Raises:
        PipelineError: If ``k`` is negative.
        DataError: If a score is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(probs=[[1, 0], [1, 0], [0, 1]], **{"scores.confidence": [0.8, 0.9, 0.5]})
        >>> show(TopK(1, per_class=True)(table, None), "id")
        [1, 2]
    """

    k: int | Schedule
    column: str = "scores.confidence"
    per_class: bool = False
    classes: str = "probs"
    keep_above: bool = True
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("TopK(k)", self.k, 0)

    @property
    def requires(self) -> tuple[str, ...]:
        """The score, and what says the class where it matters."""
        return (self.column, self.classes) if self.per_class else (self.column,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the best rows."""
        order = best_first(table, read_score(table, self.column), self.keep_above)
        if not self.per_class:
            return keep(table, first_mask(order, whole(self.k)))
        classes = read_classes(table, self.classes)
        limits = np.full(classes.max(initial=-1) + 1, whole(self.k))
        return keep(table, first_of_each_mask(order, classes, limits))


def share_mask(table: pa.Table, column: str, share: float, largest: bool) -> Array:
    """Return a mask of the best ``ceil(share * rows)`` rows by a score."""
    order = best_first(table, read_score(table, column), largest)
    return first_mask(order, ceil_share(share, table.num_rows))


def ceil_share(share: float, rows: int) -> int:
    """Return ``ceil(share * rows)``, forgiving the rounding of the product.

    Example:
        >>> ceil_share(0.07, 100), 0.07 * 100
        (7, 7.000000000000001)
    """
    return math.ceil(share * rows * (1 - 1e-12))
