"""Dash: a bound on the loss that shrinks from round to round."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep
from lit_iterative.ops.classes import read_probs
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.ranking import id_order, read_score
from lit_iterative.ops.schedule import Schedule

SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Dash(Op):
    """Keeps rows whose loss is at most a bound that shrinks geometrically.

    Dash (Xu et al., 2021, arXiv:2109.00650): ``rho_t = C * gamma^-(t - 1) * rho_hat``, with ``t = 1`` at first.
    The paper counts ``t`` in training steps, and ``rho_hat`` is the loss on *labelled* data after a warm-up. Here ``t``
    counts rounds, and unless ``initial`` is given ``rho_hat`` is the mean loss of the pool in the first round. The loss
    is the cross-entropy between a prediction and its own hard pseudo-label, ``-log max p``, so that without another
    column the bound is a confidence of ``exp(-rho_t)``. To follow the paper more closely, name a column that holds
    the loss on a strong view.

    Args:
        factor: ``C``, above 0.
        gamma: How fast the bound shrinks; 1 or more.
        initial: ``rho_hat``, for instance the training loss after the warm-up, ``FromMetric("train_loss")``. What
            it is in the first round counts, and is remembered.
        lowest: The bound never falls below this, so that confident rows always pass; 0.05 is a confidence of 0.951.
        column: A loss to use in the place of that of ``probs``.

    Requires ``probs`` ``(rows, classes)``, or the column. Remembers ``initial``, ``first_round``, ``bound``.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a loss is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table, context = example(probs=[[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]]), Context(pool=None)
        >>> show(Dash()(table, context), "id"), round(context.memory["bound"], 4)
        ([0], 0.3243)
    """

    factor: float | Schedule = 1.0001
    gamma: float | Schedule = 1.27
    initial: float | Schedule | None = None
    lowest: float | Schedule = 0.05
    column: str | None = None
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("Dash(factor)", self.factor, 0, open_low=True)
        check_range("Dash(gamma)", self.gamma, 1)
        check_range("Dash(initial)", self.initial, 0)
        check_range("Dash(lowest)", self.lowest, 0)

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities or the loss."""
        return ("probs",) if self.column is None else (self.column,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows within the bound; an empty table changes no state."""
        loss = self._loss(table)
        if not len(loss):
            return table
        memory = context.memory
        if "initial" not in memory:
            memory["first_round"] = context.round
            memory["initial"] = float(loss[id_order(table)].mean()) if self.initial is None else number(self.initial)
        shrunk = number(self.gamma) ** (memory["first_round"] - context.round)
        memory["bound"] = max(number(self.lowest), number(self.factor) * shrunk * memory["initial"])
        return keep(table, loss <= memory["bound"])

    def _loss(self, table: pa.Table) -> Array:
        """Return the loss of each row, shape ``(rows,)`` float64."""
        if self.column is not None:
            return read_score(table, self.column).astype(np.float64)
        confidence = read_probs(table).max(axis=1, initial=0.0).astype(np.float64)
        return np.asarray(-np.log(np.maximum(confidence, SMALLEST)))
