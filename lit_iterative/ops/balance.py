"""Class balance: as many rows, or as much weight, of each class as a prior asks for."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep, write
from lit_iterative.errors import PipelineError
from lit_iterative.ops.classes import check_prior, class_count, prior_of, read_classes
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, whole
from lit_iterative.ops.ranking import best_first, first_of_each_mask, read_score
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class ClassBalance(Op):
    """Keeps the best rows of every class in the proportions of a prior, or weighs the rows instead of dropping any.

    What it does to the rows depends on two parameters:

    * neither: equal numbers, or numbers in the ratio of the prior; as many as the scarcest class allows.
    * ``at_most``: no class keeps more rows than that; scarce classes keep all they have.
    * ``weigh``: no row is dropped; every class has a total weight in proportion to the prior. The mean weight is 1.
    * both: cut first, then weigh what is left.

    A class to which no row belongs is passed over. Of equal scores, rows with the lower ids stay. Rows are never
    repeated: where a scarce class must count for more, use ``weigh``.

    Args:
        at_most: Largest number of rows of a class; with a prior, that of its most frequent class, and the others
            in proportion (rounded down).
        weigh: Whether to write ``weight`` (float32); a weight that is there already is replaced.
        prior: Share, or count, of every class; uniform when left out.
        column: The score by which rows are best.
        classes: What says the class: probabilities, of which the largest counts, or labels.
        keep_above: Whether large scores are best, or small ones.

    Raises:
        PipelineError: If ``at_most`` is below 1, or the prior is no prior.
        DataError: If the prior has another number of classes than the data, or a score is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(label=[0, 0, 0, 1], **{"scores.confidence": [0.7, 0.9, 0.8, 0.6]})
        >>> show(ClassBalance(classes="label")(table, None), "id")
        [1, 3]
        >>> show(ClassBalance(classes="label", at_most=2)(table, None), "id")
        [1, 2, 3]
        >>> show(ClassBalance(classes="label", weigh=True)(table, None), "weight")
        [0.6667, 0.6667, 0.6667, 2.0]
    """

    at_most: int | Schedule | None = None
    weigh: bool = False
    prior: list[float] | None = None
    column: str = "scores.confidence"
    classes: str = "probs"
    keep_above: bool = True
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("ClassBalance(at_most)", self.at_most, 1)
        check_prior("ClassBalance", self.prior)

    @property
    def requires(self) -> tuple[str, ...]:
        """What says the class, and the score where rows are dropped."""
        return (self.column, self.classes) if self._drops else (self.classes,)

    @property
    def provides(self) -> tuple[str, ...]:
        """The weight, on request."""
        return ("weight",) if self.weigh else ()

    @property
    def _drops(self) -> bool:
        return self.at_most is not None or not self.weigh

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows that are kept, weighed on request."""
        classes = read_classes(table, self.classes)
        prior = self._prior(class_count(table, self.classes, classes))
        if self._drops:
            order = best_first(table, read_score(table, self.column), self.keep_above)
            mask = first_of_each_mask(order, classes, self._limits(classes, prior))
            table, classes = keep(table, mask), classes[mask]
        return write(table, weight=balancing_weights(classes, prior)) if self.weigh else table

    def _prior(self, classes: int) -> Array:
        """Return the prior; labels need not reach its last class."""
        return prior_of(self.prior, classes if self.prior is None else max(classes, len(self.prior)))

    def _limits(self, classes: Array, prior: Array) -> Array:
        """Return the largest number of rows of each class, shape ``(classes,)``."""
        if self.at_most is not None:
            return floor(whole(self.at_most) * prior / prior.max(initial=0.0))
        return even_counts(np.bincount(classes, minlength=len(prior)), prior)


def even_counts(available: Array, prior: Array) -> Array:
    """Return the largest numbers of rows in the ratio of a prior that the classes can give, rounded down.

    Args:
        available: Rows of each class, shape ``(classes,)``; classes without rows are passed over.
        prior: Shares, shape ``(classes,)``.

    Example:
        >>> even_counts(np.array([10, 3, 0]), np.array([0.5, 0.25, 0.25]))
        array([6, 3, 3])
    """
    present = (available > 0) & (prior > 0)
    total = np.min(available[present] / prior[present], initial=np.inf)
    return floor(total * prior) if np.isfinite(total) else np.zeros(len(prior), dtype=np.int64)


def balancing_weights(classes: Array, prior: Array) -> Array:
    """Return weights of mean 1 under which every class that is there counts in proportion to its prior.

    Args:
        classes: The class of each row, shape ``(rows,)``.
        prior: Shares, shape ``(classes,)``.

    Raises:
        PipelineError: If the prior is zero for every class that is there.

    Example:
        >>> balancing_weights(np.array([0, 0, 0, 1]), np.array([0.5, 0.5])).tolist()
        [0.6666666865348816, 0.6666666865348816, 0.6666666865348816, 2.0]
    """
    counts = np.bincount(classes, minlength=len(prior))
    mass = np.where(counts > 0, prior, 0.0).sum()
    if len(classes) and not mass > 0:
        raise PipelineError(
            f"ClassBalance has a prior of zero for all classes that are there, {np.flatnonzero(counts).tolist()}. "
            "Give at least one of them a share, or drop these rows."
        )
    of_class = prior / max(mass, np.finfo(np.float64).tiny) * len(classes) / np.maximum(counts, 1)
    return np.asarray(of_class[classes], dtype=np.float32)


def floor(values: Array) -> Array:
    """Round down to whole numbers, forgiving the rounding of the product that made the values."""
    return np.floor(values * (1 + 1e-12)).astype(np.int64)
