"""PreferShort: of the completions that are nearly the best, the shortest."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import scores_of
from lit_iterative.ops.language.tokens import lengths_of, spans
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class PreferShort(Op):
    """Puts the shortest of the completions that are nearly the best above all others of its prompt.

    Nearly the best are those whose score is at least ``max - tier (max - min)``. A builder that takes the best then
    takes a short one, so that length is not what is learnt: Meta-Rewarding (Wu et al., 2024, arXiv:2407.19594).

    Args:
        score: The score.
        tier: How much worse than the best is near it, as a share of the way to the worst.

    Requires ``group``, ``completion_ids`` and the score; provides ``scores.short``: the score, but for the shortest
    near the best, the first of equals, which has 1 more than the best.

    Raises:
        PipelineError: If the tier is no share.
        DataError: If a score is infinite, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> table = candidates(["good, but long", "good", "no"], **{"scores.judge": [5.0, 4.0, 0.0]})
        >>> PreferShort(tier=0.25)(table, None)["scores.short"].to_pylist()
        [5.0, 6.0, 0.0]
    """

    score: str = "scores.judge"
    tier: float | Schedule = 0.1
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        check_range("PreferShort(tier)", self.tier, 0, 1)

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates and their score."""
        return ("group", "completion_ids", self.score)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score that prefers short ones."""
        return ("scores.short",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        score, lengths, tier = scores_of(table, self.score), lengths_of(table, "completion_ids"), number(self.tier)
        short = score.copy()
        for start, end in spans(table):
            known = start + np.flatnonzero(~np.isnan(score[start:end]))
            if len(known):
                best, worst = score[known].max(), score[known].min()
                near = known[score[known] >= best - tier * (best - worst)]
                short[near[lengths[near].argmin()]] = best + 1
        return write(table, **{"scores.short": short})
