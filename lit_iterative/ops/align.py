"""Alignment: predictions whose classes are as frequent, over the whole table, as a prior says."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, write
from lit_iterative.ops.classes import check_prior, prior_of, read_probs
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.ranking import id_order
from lit_iterative.ops.running import running_mean
from lit_iterative.ops.schedule import Schedule

SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Sinkhorn(Op):
    """Assigns rows to classes so that the classes have given shares of all rows, by entropic optimal transport.

    Of all ``Q`` with rows that sum to 1 and column means equal to the prior, it takes the one that maximises
    ``sum Q log P + epsilon * H(Q)``, with ``P`` the predictions. ``Q = diag(u) P^(1/epsilon) diag(v)`` is found by
    scaling columns and rows in turn (Sinkhorn-Knopp; Cuturi, 2013, arXiv:1306.0895), here in logarithms. SwAV (Caron
    et al., 2020, arXiv:2006.09882, section 3.1) does the same with scores in the place of ``log P``, a uniform prior
    and three iterations over a batch; here the whole table is one problem. A probability of 0 is taken as the
    smallest normal float32.

    Args:
        epsilon: Strength of the entropy, above 0. At 1 a table that has the prior already is left as it is; small
            values give nearly hard labels; the temperature of the predictions.
        iterations: Largest number of scalings of columns and rows; at least 1.
        tolerance: It ends sooner once no class mean is further than this from the prior.
        prior: Share, or count, of every class; uniform when left out.

    Requires and provides ``probs`` ``(rows, classes)``; written as float32.

    Raises:
        PipelineError: If a parameter is out of its range, or the prior is no prior.
        DataError: If the prior has another number of classes than the predictions, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(probs=[[0.9, 0.1], [0.8, 0.2]])
        >>> show(Sinkhorn()(table, None), "probs")
        [[0.6, 0.4], [0.4, 0.6]]
    """

    epsilon: float | Schedule = 1.0
    iterations: int = 100
    tolerance: float = 1e-6
    prior: list[float] | None = None
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("Sinkhorn(epsilon)", self.epsilon, 0, open_low=True)
        check_range("Sinkhorn(iterations)", self.iterations, 1)
        check_range("Sinkhorn(tolerance)", self.tolerance, 0)
        check_prior("Sinkhorn", self.prior)

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities."""
        return ("probs",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The assignments."""
        return ("probs",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the assignments in place of the predictions."""
        probs, order = read_probs(table), id_order(table)
        prior = prior_of(self.prior, probs.shape[1])
        scores = np.log(np.maximum(probs[order].astype(np.float64), SMALLEST)) / number(self.epsilon)
        assigned = np.empty(probs.shape, dtype=np.float32)
        assigned[order] = sinkhorn(scores, prior, self.iterations, self.tolerance)
        return write(table, probs=assigned)


def sinkhorn(scores: Array, prior: Array, iterations: int, tolerance: float) -> Array:
    """Scale ``exp(scores)`` until rows sum to 1 and column means equal the prior.

    Args:
        scores: Finite, shape ``(rows, classes)``.
        prior: Sums to 1, shape ``(classes,)``.
        iterations: Largest number of scalings.
        tolerance: Largest error of a column mean that ends it sooner.

    Returns:
        Shape ``(rows, classes)``; every row sums to 1, however few the iterations.

    Example:
        >>> sinkhorn(np.zeros((2, 2)), np.array([0.75, 0.25]), iterations=10, tolerance=0.0)
        array([[0.75, 0.25],
               [0.75, 0.25]])
    """
    if not len(scores):
        return scores
    with np.errstate(divide="ignore"):  # a class of share zero is scaled to zero
        log_share = np.log(prior)
    row = np.zeros((len(scores), 1))
    for _ in range(iterations):
        column = log_share - log_sum_exp(scores + row, axis=0)
        row = -log_sum_exp(scores + column, axis=1)
        assigned = np.exp(scores + column + row)
        if np.abs(assigned.mean(axis=0) - prior).max() <= tolerance:
            break
    return np.asarray(assigned)


def log_sum_exp(values: Array, axis: int) -> Array:
    """Return ``log sum exp`` along an axis that stays, without overflow; some value must be finite."""
    top = values.max(axis=axis, keepdims=True)
    total: Array = top + np.log(np.exp(values - top).sum(axis=axis, keepdims=True))
    return total


@dataclass(frozen=True)
class DistributionAlignment(Op):
    """Scales every prediction by how much rarer than the prior its class has been, and normalises it.

    ReMixMatch (Berthelot et al., 2020, arXiv:1911.09785, section 3.1): ``q * p(y) / m(y)``, scaled to sum 1, with
    ``m`` the running mean of the predictions. The paper takes it over the last 128 batches; here it is updated once
    a round with the mean over the whole table, and kept from round to round. Unlike :class:`Sinkhorn` it does
    not reach the prior exactly. A row that loses all its mass, on classes of prior zero, becomes the prior.

    Args:
        momentum: Weight of earlier rounds in the running mean, in [0, 1]; 0 takes this round's mean alone.
        prior: Share, or count, of every class, for instance among the labelled rows; uniform when left out.

    Requires and provides ``probs`` ``(rows, classes)``; written as float32. Remembers ``mean``.

    Raises:
        PipelineError: If the momentum is out of its range, or the prior is no prior.
        DataError: If the number of classes is not that of the prior or of earlier rounds, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table, context = example(probs=[[0.9, 0.1], [0.7, 0.3]]), Context(pool=None)
        >>> show(DistributionAlignment()(table, context), "probs")
        [[0.6923, 0.3077], [0.3684, 0.6316]]
        >>> [round(mean, 4) for mean in context.memory["mean"]]
        [0.8, 0.2]
    """

    momentum: float | Schedule = 0.5
    prior: list[float] | None = None
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("DistributionAlignment(momentum)", self.momentum, 0, 1)
        check_prior("DistributionAlignment", self.prior)

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities."""
        return ("probs",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The aligned probabilities."""
        return ("probs",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with aligned probabilities; an empty one changes no state."""
        probs = read_probs(table).astype(np.float64)
        prior = prior_of(self.prior, probs.shape[1])
        if not len(probs):
            return write(table, probs=probs.astype(np.float32))
        mean = probs[id_order(table)].mean(axis=0)
        mean = running_mean(context.memory, "mean", mean, number(self.momentum))
        return write(table, probs=aligned(probs, prior, mean).astype(np.float32))


def aligned(probs: Array, prior: Array, mean: Array) -> Array:
    """Return ``probs * prior / mean``, every row scaled to sum 1; a row without mass becomes the prior.

    Example:
        >>> aligned(np.array([[0.5, 0.5]]), np.array([0.5, 0.5]), np.array([0.8, 0.2]))
        array([[0.2, 0.8]])
    """
    scaled = probs * (prior / np.maximum(mean, SMALLEST))
    mass = scaled.sum(axis=1, keepdims=True)
    return np.where(mass > 0, scaled / np.where(mass > 0, mass, 1.0), prior)
