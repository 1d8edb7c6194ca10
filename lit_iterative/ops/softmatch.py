"""SoftMatch: weights that follow how confident the model is, in the place of a threshold."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, write
from lit_iterative.ops.classes import read_probs
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.ranking import id_order
from lit_iterative.ops.running import running_mean
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class SoftMatch(Op):
    """Weighs every row by a Gaussian of its confidence, cut off at the mean, and drops none.

    SoftMatch (Chen et al., 2023, arXiv:2301.10921, section 3): ``largest * exp(-(p - mu)^2 / (2 sigma^2))`` where the
    confidence ``p`` is below ``mu``, ``largest`` where it is not, with running estimates of the mean ``mu`` (from
    ``1 / classes``) and of the unbiased variance ``sigma^2`` (from 1). The paper updates them with every batch; here
    once a round over the whole table, before the rows are weighed, with a momentum that stands for all the
    steps between two rounds (``per_step ** steps``). The paper's uniform alignment is
    :class:`~lit_iterative.ops.DistributionAlignment`, put before.

    Args:
        momentum: Weight of earlier rounds, in [0, 1]. In the first round those are the starting values; 0 uses
            this round's mean and variance alone.
        largest: Weight of a confident row, 0 or more.
        width: Factor of ``sigma``, above 0; below 1 the unsure rows count for less. 1 in the paper's formula.

    Requires ``probs`` ``(rows, classes)``; provides ``weight`` ``(rows,)`` float32. Remembers ``mean``, ``variance``.

    Raises:
        PipelineError: If a parameter is out of its range.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(probs=[[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
        >>> show(SoftMatch(momentum=0.0)(table, Context(pool=None)), "weight")
        [1.0, 0.6832, 0.9765]
    """

    momentum: float | Schedule = 0.5
    largest: float | Schedule = 1.0
    width: float | Schedule = 1.0
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("SoftMatch(momentum)", self.momentum, 0, 1)
        check_range("SoftMatch(largest)", self.largest, 0)
        check_range("SoftMatch(width)", self.width, 0, open_low=True)

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities."""
        return ("probs",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The weight."""
        return ("weight",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with weights; an empty one changes no state."""
        probs = read_probs(table)
        if not len(probs):
            return write(table, weight=np.zeros(0, dtype=np.float32))
        confidence = probs.max(axis=1).astype(np.float64)
        ordered, momentum = confidence[id_order(table)], number(self.momentum)
        spread = ordered.var(ddof=1) if len(ordered) > 1 else 0.0
        mean = running_mean(context.memory, "mean", ordered.mean(), momentum, 1.0 / probs.shape[1])
        variance = running_mean(context.memory, "variance", spread, momentum, 1.0)
        sigma = number(self.width) * float(np.sqrt(variance))
        weight = number(self.largest) * truncated_gaussian(confidence, float(mean), sigma)
        return write(table, weight=weight.astype(np.float32))


def truncated_gaussian(values: Array, mean: float, sigma: float) -> Array:
    """Return ``exp(-(x - mean)^2 / (2 sigma^2))`` below the mean and 1 from it on; a step where ``sigma`` is 0.

    Example:
        >>> truncated_gaussian(np.array([0.0, 1.0, 2.0]), mean=1.0, sigma=1.0).round(4).tolist()
        [0.6065, 1.0, 1.0]
    """
    # The mean of equal values may round to just above them, by as much as their deviation.
    short = np.where(mean - values > 1e-12 * abs(mean), mean - values, 0.0)
    if sigma == 0.0:
        return np.asarray(short == 0.0, dtype=np.float64)
    return np.asarray(np.exp(-0.5 * (short / sigma) ** 2))
