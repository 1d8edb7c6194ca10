"""Curricula: more of the pool in every round."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from lit_iterative.columns import keep
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.schedule import Schedule
from lit_iterative.ops.select import share_mask


@dataclass(frozen=True)
class PercentileCurriculum(Op):
    """Keeps the best share of the rows, a step more in every round until all are taken.

    Curriculum Labeling (Cascante-Bonilla et al., 2021, arXiv:2001.06001): in round ``r``, counted from 0,
    the scores above percentile ``100 - 100 * (start + r * step)`` pass. The paper trains from newly drawn
    weights in every round; use the weight policy ``ReinitFromScratch`` for that. Where the paper
    takes all rows whose score passes the percentile, exactly ``ceil(share * rows)`` are taken here, and of
    equal scores those with the lower ids.

    Args:
        start: Share of the rows in the first round, in [0, 1].
        step: Share added in each further round, in [0, 1].
        column: The score.
        first_round: The round that counts as the first, for plans in which others come before.
        keep_above: Whether large scores are best, or small ones.

    Raises:
        PipelineError: If a share is outside of [0, 1].
        DataError: If a score is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example
        >>> table = example(**{"scores.confidence": [0.9, 0.8, 0.7, 0.6, 0.5]})
        >>> rounds = [Context(pool=None, round=r) for r in range(6)]
        >>> [PercentileCurriculum()(table, context).num_rows for context in rounds]
        [1, 2, 3, 4, 5, 5]
    """

    start: float | Schedule = 0.2
    step: float | Schedule = 0.2
    column: str = "scores.confidence"
    first_round: int = 0
    keep_above: bool = True
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("PercentileCurriculum(start)", self.start, 0, 1)
        check_range("PercentileCurriculum(step)", self.step, 0, 1)

    @property
    def requires(self) -> tuple[str, ...]:
        """The score."""
        return (self.column,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the best rows."""
        share = self.share(context.round)
        return keep(table, share_mask(table, self.column, share, self.keep_above))

    def share(self, round: int) -> float:
        """Return the share of the rows that this round takes."""
        steps = max(0, round - self.first_round)
        return min(1.0, number(self.start) + steps * number(self.step))
