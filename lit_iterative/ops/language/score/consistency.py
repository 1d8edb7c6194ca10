"""Consistency: how far several scores of the same candidates agree about their order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, write
from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import scores_of
from lit_iterative.ops.language.tokens import keys_of, repeats, spans
from lit_iterative.ops.op import Op, Scope


@dataclass(frozen=True)
class RankConsistency(Op):
    """How far several scores agree about the order of a prompt's candidates.

    For every two of the scores Kendall's tau is taken, from -1 to 1, and brought to ``(tau + 1) / 2``; the consistency
    is the mean over all twos. It is CREAM's consistency rate (Wang et al., 2024, arXiv:2410.12735) where the scores are
    the rewards of two iterates: ``ImplicitReward()`` and ``ImplicitReward(actor=Previous(), score="previous")``. Scores
    of other kinds, such as a judge's, can be compared as well.

    Args:
        scores: Columns of scores; at least two.

    Requires ``group``, ``completion_ids`` and the scores; provides ``scores.consistency`` float64 ``(rows,)``, the same
    for all rows of a group, in [0, 1]; NaN where it is unknown: where one of the scores tells no two candidates apart.
    Equal completions count once, and only candidates that have all the scores count. Of ties in a score tau-b takes
    account (Kendall, 1945). Counts ``consistency_unknown`` (groups) and measures ``consistency`` (mean over groups).

    Raises:
        PipelineError: If there are fewer than two scores.
        DataError: If a score is infinite, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["a", "b", "c"], **{"scores.now": [3, 2, 1], "scores.previous": [3, 1, 2]})
        >>> op = RankConsistency(["scores.now", "scores.previous"])
        >>> op(table, Context(Pool([0], 1)))["scores.consistency"].to_numpy().round(4)
        array([0.6667, 0.6667, 0.6667])
    """

    scores: list[str]
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        check_several(self.name, self.scores)

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates and their scores."""
        return ("group", "completion_ids", *self.scores)

    @property
    def provides(self) -> tuple[str, ...]:
        """The consistency."""
        return ("scores.consistency",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the consistency."""
        scores = np.array([scores_of(table, name) for name in self.scores]).reshape(len(self.scores), -1)
        known = ~np.isnan(scores).any(axis=0)
        keys, found = keys_of(table, "completion_ids"), np.full(table.num_rows, np.nan)
        bounds = spans(table)
        for start, end in bounds:
            rows = start + np.flatnonzero(known[start:end])
            rows = rows[~repeats([keys[row] for row in rows.tolist()])]
            found[start:end] = np.mean(
                [tau(*scores[list(two)][:, rows]) for two in combinations(range(len(scores)), 2)]
            )
        consistency = (found + 1) / 2
        heads = consistency[[start for start, _ in bounds]]
        context.tally.count("consistency_unknown", int(np.isnan(heads).sum()))
        context.tally.mean("consistency", heads)
        return write(table, **{"scores.consistency": consistency})


@dataclass(frozen=True)
class ConsistencyPreference(Op):
    """Makes the consistency of the candidates' ranking the ``preference`` of pairs, for the loss ``soft_dpo``.

    CREAM (Wang et al., 2024, arXiv:2410.12735): with the consistency rate ``C`` the loss of a pair is
    ``C dpo(w, l) + (1 - C) dpo(l, w)``, which is what ``soft_dpo`` makes of the preference ``C``. The more two iterates
    disagree, the less sure the labels count.

    Args:
        average: Whether ``C`` is the mean over all pairs, as in the paper, or each pair has its prompt's own.
        score: The column of the consistency.

    Requires the score, on pairs; provides ``preference`` float32 ``(rows,)``: of a pair without consistency the mean,
    and where no pair has one 1, which is plain DPO. Counts ``consistency_unknown`` (pairs); measures ``preference``.

    Raises:
        DataError: If a score is infinite, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> from lit_iterative.pool import Pool
        >>> pairs = example(**{"scores.consistency": [0.5, 1.0, float("nan")]})
        >>> show(ConsistencyPreference()(pairs, Context(Pool([0], 1))), "preference")
        [0.75, 0.75, 0.75]
        >>> show(ConsistencyPreference(average=False)(pairs, Context(Pool([0], 1))), "preference")
        [0.5, 1.0, 0.75]
    """

    average: bool = True
    score: str = "scores.consistency"
    scope: ClassVar[Scope] = "global"

    @property
    def requires(self) -> tuple[str, ...]:
        """The consistency."""
        return (self.score,)

    @property
    def provides(self) -> tuple[str, ...]:
        """The preference."""
        return ("preference",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the preference."""
        own = scores_of(table, self.score)
        unknown = np.isnan(own)
        mean = math.fsum(own[~unknown]) / (~unknown).sum() if (~unknown).any() else 1.0
        preference = np.full(len(own), mean) if self.average else np.where(unknown, mean, own)
        context.tally.count("consistency_unknown", int(unknown.sum()))
        context.tally.mean("preference", preference)
        return write(table, preference=preference.astype(np.float32))


def tau(first: Array, second: Array) -> float:
    """Return Kendall's tau-b of two rankings; NaN where one of them tells no two items apart.

    Args:
        first: Scores, ``(items,)``.
        second: Other scores of the same items, ``(items,)``.

    Example:
        >>> tau(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0]))
        0.3333333333333333
    """
    left, right = (np.sign(score[:, None] - score[None, :]) for score in (first, second))
    told = float(np.abs(left).sum()) * float(np.abs(right).sum())
    return float((left * right).sum()) / math.sqrt(told) if told else float("nan")


def check_several(op: str, scores: Sequence[str]) -> None:
    """Check that there are several columns of scores.

    Raises:
        PipelineError: If there are fewer than two different ones.
    """
    if len(set(scores)) < 2 or len(set(scores)) < len(scores):
        raise PipelineError(
            f"{op}(scores) is {list(scores)}. Name at least two different columns of scores, for example "
            "['scores.implicit', 'scores.judge']."
        )
