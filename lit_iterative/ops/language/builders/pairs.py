"""Builders of preference pairs from the scores of candidates."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lit_iterative.columns import Array
from lit_iterative.ops.language.builders.groups import Group, Truncated
from lit_iterative.ops.language.builders.pairing import PairBuilder, Weigh, cross
from lit_iterative.ops.parameters import number, whole
from lit_iterative.ops.schedule import Schedule
from lit_iterative.ops.tally import Tally


@dataclass(frozen=True)
class BestWorst(PairBuilder):
    """Prefers the best candidate of every prompt to the worst.

    Of equals, who is taken is drawn anew in every round, from the seed and the prompt. With ``scores.vote``,
    ``min_score`` and ``weigh="gap"`` it is ScPO (Prasad et al., 2024, arXiv:2411.04109): the most voted
    answer is chosen if its share of the ``k`` votes is at least ``tau``, the least voted is rejected, and the weight is
    ``w = (votes_w - votes_l) / k``.

    Args:
        score: The score.
        margin: The best must be better than the worst by more than this; else they are ties.
        min_score: What the chosen's score must be at least.
        at_most: Pairs of a prompt, where several are the best or the worst.
        weigh: Whether the ``weight`` is 1 (``none``), the difference of the scores (``gap``), or of the ranks
            (``rank``: 1 between the best and the worst score).
        truncated: Whether completions that were cut go (``drop``), may only be rejected (``reject``), or count like
            any other (``keep``).

    Requires ``group``, ``text``, ``completion_ids``, ``finish`` and the score; provides ``chosen``, ``rejected``,
    ``chosen_ids``, ``rejected_ids``, ``chosen_score``, ``rejected_score`` and ``weight``. Counts ``ties`` (groups) and
    ``below_min_score`` (groups), beside what every builder counts.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a score is infinite, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.context import Context
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["7", "9", "7"], **{"scores.vote": [2 / 3, 1 / 3, 2 / 3]})
        >>> made = BestWorst("scores.vote", weigh="gap")(table, Context(Pool([0], 1)))
        >>> made.select(["id", "chosen", "rejected"]).to_pylist()
        [{'id': 0, 'chosen': '7', 'rejected': '9'}]
    """

    score: str = "scores.reward"
    margin: float | Schedule = 0.0
    min_score: float | Schedule | None = None
    at_most: int | Schedule = 1
    weigh: Weigh = "none"
    truncated: Truncated = "reject"

    def pairs(self, group: Group, tally: Tally) -> list[tuple[int, int]]:
        """Return best against worst."""
        best = best_of(group, self.min_score, tally)
        worst = np.flatnonzero(group.score == group.score.min(initial=np.inf))
        tied = len(best) > 0 and bool(group.score[best[0]] - group.score[worst[0]] <= number(self.margin))
        tally.count("ties", int(tied and len(group.rows) > 1))
        return [] if tied else cross(best, worst, whole(self.at_most))


@dataclass(frozen=True)
class BestRandom(PairBuilder):
    """Prefers the best candidate of every prompt to one drawn from those that are worse.

    The draw depends on the seed, the round and the prompt. RLHFlow offers it beside best-worst (Dong et al., 2024,
    arXiv:2405.07863): the rejected side is less extreme.

    Args:
        score: The score.
        margin: The best must be better than the other by more than this.
        min_score: What the chosen's score must be at least.
        at_most: Pairs of a prompt, each with another candidate as long as there are any.
        weigh: Whether the ``weight`` is 1 (``none``), the difference of the scores (``gap``), or of the ranks as a
            share of the largest in the group (``rank``).
        truncated: Whether completions that were cut go (``drop``), may only be rejected (``reject``), or count like
            any other (``keep``).

    Requires ``group``, ``text``, ``completion_ids``, ``finish`` and the score; provides ``chosen``, ``rejected``,
    ``chosen_ids``, ``rejected_ids``, ``chosen_score``, ``rejected_score`` and ``weight``. Counts ``ties`` (groups) and
    ``below_min_score`` (groups), beside what every builder counts.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a score is infinite, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.context import Context
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["a", "b", "c"], **{"scores.reward": [0.5, 2, 1]})
        >>> made = BestRandom(margin=1)(table, Context(Pool([0], 1)))
        >>> made.select(["chosen", "rejected"]).to_pylist()
        [{'chosen': 'b', 'rejected': 'a'}]
    """

    score: str = "scores.reward"
    margin: float | Schedule = 0.0
    min_score: float | Schedule | None = None
    at_most: int | Schedule = 1
    weigh: Weigh = "none"
    truncated: Truncated = "reject"

    def pairs(self, group: Group, tally: Tally) -> list[tuple[int, int]]:
        """Return the best against others."""
        best = best_of(group, self.min_score, tally)
        if not len(best):
            return []
        others = np.flatnonzero(group.score[best[0]] - group.score > number(self.margin))
        tally.count("ties", int(not len(others) and len(group.rows) > 1))
        return cross(best, others, whole(self.at_most))


@dataclass(frozen=True)
class AllPairs(PairBuilder):
    """Prefers every candidate to every one of the same prompt that is worse by more than a margin.

    Args:
        score: The score.
        margin: Pairs that differ by no more than this are ties.
        at_most: Pairs of a prompt, drawn from all by the seed, the round and the prompt; all when left out.
        weigh: Whether the ``weight`` is 1 (``none``), the difference of the scores (``gap``), or of the ranks as a
            share of the largest in the group (``rank``).
        truncated: Whether completions that were cut go (``drop``), may only be rejected (``reject``), or count like
            any other (``keep``).

    Requires ``group``, ``text``, ``completion_ids``, ``finish`` and the score; provides ``chosen``, ``rejected``,
    ``chosen_ids``, ``rejected_ids``, ``chosen_score``, ``rejected_score`` and ``weight``. Counts ``ties`` (pairs of
    candidates), beside what every builder counts.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a score is infinite, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.context import Context
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["a", "b", "c"], **{"scores.reward": [0, 1, 2]})
        >>> made = AllPairs(weigh="rank")(table, Context(Pool([0], 1)))
        >>> sorted(zip(*(made[name].to_pylist() for name in ("chosen", "rejected", "weight"))))
        [('b', 'a', 0.5), ('c', 'a', 1.0), ('c', 'b', 0.5)]
    """

    score: str = "scores.reward"
    margin: float | Schedule = 0.0
    at_most: int | Schedule | None = None
    weigh: Weigh = "none"
    truncated: Truncated = "reject"

    def pairs(self, group: Group, tally: Tally) -> list[tuple[int, int]]:
        """Return all pairs, or some of them in the order of all."""
        gap = group.score[:, None] - group.score[None, :]
        margin = number(self.margin)
        tally.count("ties", (int((np.abs(gap) <= margin).sum()) - len(gap)) // 2)  # without each and itself
        found = np.argwhere((gap > margin) & group.complete[:, None])
        if self.at_most is not None and len(found) > whole(self.at_most):
            found = found[np.sort(group.draw.permutation(len(found))[: whole(self.at_most)])]
        return [(chosen, rejected) for chosen, rejected in found.tolist()]


@dataclass(frozen=True)
class RankedPairs(PairBuilder):
    """Ranks the candidates of every prompt and prefers each score to the next lower one: a chain from best to worst.

    Args:
        score: The score.
        margin: Neighbours that differ by no more than this are ties.
        at_most: Pairs of two neighbouring scores, where several candidates have one of them.
        weigh: Whether the ``weight`` is 1 (``none``), the difference of the scores (``gap``), or of the ranks as a
            share of the largest in the group (``rank``).
        truncated: Whether completions that were cut go (``drop``), may only be rejected (``reject``), or count like
            any other (``keep``).

    Requires ``group``, ``text``, ``completion_ids``, ``finish`` and the score; provides ``chosen``, ``rejected``,
    ``chosen_ids``, ``rejected_ids``, ``chosen_score``, ``rejected_score`` and ``weight``. Counts ``ties`` (neighbours
    within the margin), beside what every builder counts.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a score is infinite, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.context import Context
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["a", "b", "c"], **{"scores.reward": [0, 3, 1]})
        >>> made = RankedPairs(weigh="gap")(table, Context(Pool([0], 1)))
        >>> made.select(["chosen", "rejected", "weight"]).to_pylist()
        [{'chosen': 'b', 'rejected': 'c', 'weight': 2.0}, {'chosen': 'c', 'rejected': 'a', 'weight': 1.0}]
    """

    score: str = "scores.reward"
    margin: float | Schedule = 0.0
    at_most: int | Schedule = 1
    weigh: Weigh = "none"
    truncated: Truncated = "reject"

    def pairs(self, group: Group, tally: Tally) -> list[tuple[int, int]]:
        """Return neighbours in the ranking."""
        levels, found = group.levels(), list[tuple[int, int]]()
        tally.count("ties", 0)
        for better, worse in pairwise(levels):
            tied = bool(group.score[better[0]] - group.score[worse[0]] <= number(self.margin))
            tally.count("ties", int(tied))
            if not tied:
                found += cross(better[group.complete[better]], worse, whole(self.at_most))
        return found


def best_of(group: Group, min_score: float | Schedule | None, tally: Tally) -> Array:
    """Return the positions of the best candidates that may be chosen; counts ``below_min_score``.

    Args:
        group: The candidates.
        min_score: What their score must be at least.
        tally: Where to count.
    """
    score = np.where(group.complete, group.score, -np.inf)
    top = score.max(initial=-np.inf)
    low = min_score is not None and -np.inf < top < number(min_score)
    tally.count("below_min_score", int(low))
    return np.flatnonzero((score == top) & group.complete & (not low))
