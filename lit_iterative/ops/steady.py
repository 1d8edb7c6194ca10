"""SteadyMean: a selection that holds the mean of a score where it was."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import number
from lit_iterative.ops.ranking import best_first, read_score
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class SteadyMean(Op):
    """Keeps as many rows as it can with which the mean of a score is at its target.

    Where the mean of all rows is below the target, those with the lowest scores go, until it is not; where it is
    above, those with the highest. At least one row stays. With the gap between the two sides of pairs as score it is a
    controller: the gap neither closes nor opens from round to round, as Self-Steering Optimization asks for (Xiang et
    al., 2024, arXiv:2410.17131), in a form of our own.

    Args:
        column: The score.
        target: Its mean; that of all rows of the first round when left out.

    Requires the score. Remembers ``target``. Counts ``too_low`` and ``too_high`` (rows that go), and measures
    ``steady_mean`` (of the rows that stay) and ``steady_target``. Of equal scores, those with higher ids go first.

    Raises:
        DataError: If a score is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> context = Context(pool=None)
        >>> show(SteadyMean("scores.gap", 2.0)(example(**{"scores.gap": [0.0, 3.0, 1.0]}), context), "id")
        [1, 2]
    """

    column: str = "scores.gap"
    target: float | Schedule | None = None
    scope: ClassVar[Scope] = "global"

    @property
    def requires(self) -> tuple[str, ...]:
        """The score."""
        return (self.column,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows that stay."""
        score = read_score(table, self.column).astype(np.float64)
        if not len(score):
            return table
        order = best_first(table, score)
        ranked = score[order]
        mean = float(ranked.mean())
        target = context.memory.setdefault("target", mean) if self.target is None else number(self.target)
        context.memory["target"] = target
        if mean < target:
            kept = order[: _longest(ranked, target)]
        else:
            kept = order[len(order) - _longest(-ranked[::-1], -target) :]
        context.tally.count("too_low", (len(order) - len(kept)) * (mean < target))
        context.tally.count("too_high", (len(order) - len(kept)) * (mean > target))
        context.tally.mean("steady_mean", score[kept].mean())
        context.tally.mean("steady_target", target)
        return keep(table, np.isin(np.arange(len(score)), kept))


def _longest(ranked: Array, target: float) -> int:
    """Return how many of the highest scores, which come first, have a mean of at least the target; 1 if none."""
    means = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    enough = np.flatnonzero(means >= target)
    return int(enough[-1]) + 1 if len(enough) else 1
