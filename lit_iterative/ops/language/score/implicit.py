"""Implicit rewards: what a policy that was trained on preferences has learned to prefer, and its taste for length."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read, write
from lit_iterative.ops.actors import Actor, Initial, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import scores_of
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.score.scoring import log_probs_of
from lit_iterative.ops.language.tokens import lengths_of
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class ImplicitReward(ModelOp):
    """The reward that a policy trained with DPO stands for: ``beta log(pi(y|x) / pi_ref(y|x)) - alpha |y|``.

    DICE makes the pairs of the next round of it (Chen et al., 2024, arXiv:2406.09760): the logarithm is what DPO has
    taught the policy, and the second term takes out its taste for length. ``EvenLengths`` behind it fits ``alpha``.

    Args:
        reference: The reference that the policy was trained with. While both are the same weights every reward is 0,
            so that all candidates are ties: train on preferences first.
        actor: The policy.
        beta: What a nat counts, as in the loss.
        length_penalty: ``alpha``, what a token of the completion costs, EOS included.
        score: Name of the score; give two of them in one pipeline different ones.

    Requires ``prompt_ids`` and ``completion_ids``; provides ``scores.<score>`` ``(rows,)``, float64. Measures
    ``<score>_reward``.

    Raises:
        PipelineError: If beta is not above 0, or the penalty is below 0.
        DataError: If a log-probability is not finite, when run.

    Example:
        >>> ImplicitReward(beta=0.1, length_penalty=0.01).provides
        ('scores.implicit',)
    """

    reference: Actor = field(default_factory=Initial)
    actor: Actor = field(default_factory=Policy)
    beta: float | Schedule = 0.1
    length_penalty: float | Schedule = 0.0
    score: str = "implicit"

    def __post_init__(self) -> None:
        check_range("ImplicitReward(beta)", self.beta, 0, open_low=True)
        check_range("ImplicitReward(length_penalty)", self.length_penalty, 0)

    @property
    def requires(self) -> tuple[str, ...]:
        """Prompts and completions."""
        return ("prompt_ids", "completion_ids")

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return (f"scores.{self.score}",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard with the score."""
        policy, reference = (
            log_probs_of(table, "completion_ids", actor, context) for actor in (self.actor, self.reference)
        )
        penalty = number(self.length_penalty) * lengths_of(table, "completion_ids")
        reward = number(self.beta) * (policy - reference) - penalty
        context.tally.mean(f"{self.score}_reward", reward)
        return write(table, **{f"scores.{self.score}": reward})


@dataclass(frozen=True)
class EvenLengths(Op):
    """Takes from a score as much a token as makes the best and the worst candidates of the prompts equally long.

    DICE (Chen et al., 2024, arXiv:2406.09760, length-regularised reward shaping): the score becomes ``r - alpha |y|``,
    with the ``alpha`` of 0 or more that brings the mean of ``|y_best| - |y_worst|`` nearest to 0. That mean only falls
    as alpha grows, so alpha is found by halving, in place of the grid of steps of 0.001 that the authors' code walks
    along; and lengths are in tokens, where that counts characters.

    Args:
        score: The score.

    Requires ``group``, ``completion_ids`` and the score, which it overwrites, float64; NaN stays NaN. Measures
    ``length_penalty`` (alpha), ``length_gap_before`` and ``length_gap`` (the mean with it), in tokens.

    Raises:
        DataError: If a score is infinite, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["aaaa", "b", "cc", "dddd"], [0, 0, 1, 1], **{"scores.implicit": [4, 1, 1, 2]})
        >>> context = Context(Pool([0, 1], 1))
        >>> EvenLengths()(table, context)["scores.implicit"].to_numpy().round(3).tolist()
        [1.5, 0.0, -0.5, -0.5]
        >>> {name: round(value, 3) for name, value in context.tally.values().items()}
        {'length_penalty': 0.5, 'length_gap_before': 2.5, 'length_gap': 0.5}
    """

    score: str = "scores.implicit"
    scope: ClassVar[Scope] = "global"

    @property
    def requires(self) -> tuple[str, ...]:
        """Groups, lengths and the score."""
        return ("group", "completion_ids", self.score)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return (self.score,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        score, length = scores_of(table, self.score), lengths_of(table, "completion_ids").astype(np.float64)
        known = ~np.isnan(score)
        _, group = np.unique(read(table, "group"), return_inverse=True)
        gaps = _Gaps(group[known], score[known], length[known])
        alpha = gaps.smallest()
        if len(gaps.group):
            context.tally.mean("length_penalty", [alpha])
            context.tally.mean("length_gap_before", [gaps(0.0)])
            context.tally.mean("length_gap", [gaps(alpha)])
        return write(table, **{self.score: score - alpha * length})


@dataclass(frozen=True)
class _Gaps:
    """How much longer the best candidates are than the worst, by the price of a token.

    Args:
        group: The group of each candidate, ``(rows,)``.
        score: Their scores, ``(rows,)``.
        length: Their lengths, ``(rows,)``.
    """

    group: Array
    score: Array
    length: Array

    def __call__(self, alpha: float) -> float:
        """Return the mean over groups; among equally good ones the best is the shortest, the worst the longest."""
        order = np.lexsort((self.length, -(self.score - alpha * self.length), self.group))
        starts = np.flatnonzero(np.diff(self.group[order], prepend=-1))
        ends = np.append(starts[1:], len(order)) - 1
        return float((self.length[order[starts]] - self.length[order[ends]]).mean())

    def smallest(self) -> float:
        """Return the lowest price of 0 or more whose gap is nearest to 0."""
        if not len(self.group):
            return 0.0
        below, above = self._first(0.0)
        return self._first(self(below))[1] if abs(self(below)) <= abs(self(above)) else above

    def _first(self, gap: float) -> tuple[float, float]:
        """Return the lowest price with no larger a gap, by halving, behind the number just below it."""
        if self(0.0) <= gap:
            return 0.0, 0.0
        low, high = 0.0, float(self.score.max() - self.score.min()) + 1.0  # at which a token outweighs every score
        while low < (middle := (low + high) / 2) < high:
            low, high = (middle, high) if self(middle) > gap else (low, middle)
        return low, high
