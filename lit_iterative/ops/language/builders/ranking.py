"""Ranking: the best candidate of a prompt against several worse ones, in one row."""

from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import Group, Truncated, groups_of, scores_of, weighted
from lit_iterative.ops.language.builders.pairing import CANDIDATE
from lit_iterative.ops.language.tokens import column_of, keys_of, lengths_of, nested
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_choice, check_range, number, whole
from lit_iterative.ops.schedule import Schedule
from lit_iterative.ops.tally import Tally


class RankingBuilder(Op):
    """Makes one row of several completions of a prompt. Subclass it as a frozen dataclass."""

    scope: ClassVar[Scope] = "group"

    @property
    def provides(self) -> tuple[str, ...]:
        """The rankings."""
        return ("ranked", "ranked_ids", "ranked_scores", "weight")

    @property
    def consumes(self) -> tuple[str, ...]:
        """What a candidate has but a ranking has not."""
        return CANDIDATE


@dataclass(frozen=True)
class Ranking(RankingBuilder):
    """Prefers the best candidate of every prompt to several that are worse, in one row, the best first.

    With the loss ``softmax_dpo`` it is S-DPO (Chen et al., 2024, arXiv:2406.09215), which compares the best with all
    others at once; ``plackett_luce`` looks at the whole order. The others are drawn from the seed, the round and the
    prompt, and stand in the order of their scores, equals in the order in which they were drawn.

    Args:
        score: The score.
        rejected: Worse candidates in a row, at most.
        margin: The best must be better than the others by more than this.
        truncated: Whether completions that were cut go (``drop``), may only be rejected (``reject``), or count like
            any other (``keep``).

    Requires ``group``, ``text``, ``completion_ids``, ``finish`` and the score; provides ``ranked`` (texts),
    ``ranked_ids``, ``ranked_scores`` (lists, the best first) and ``weight``: 1, or the factor that is there. Columns
    that are neither made nor taken away have the values of the best. Counts ``rankings``, ``groups_without_ranking``
    and ``ties`` (groups), beside ``abstained``, ``truncated`` and ``duplicates``; measures ``yield`` (share of groups
    with a row), ``rejected`` (worse candidates in a row), ``chosen_length`` and ``ranked_length``.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a score is infinite, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["a", "b", "c", "d"], **{"scores.reward": [0, 3, 1, 3]})
        >>> Ranking()(table, Context(Pool([0], 1)))["ranked_scores"].to_pylist()
        [[3.0, 1.0, 0.0]]
    """

    score: str = "scores.reward"
    rejected: int | Schedule = 3
    margin: float | Schedule = 0.0
    truncated: Truncated = "reject"

    def __post_init__(self) -> None:
        check_range("Ranking(rejected)", self.rejected, 1)
        check_range("Ranking(margin)", self.margin, 0)
        check_choice("Ranking(truncated)", self.truncated, get_args(Truncated))

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates and their score."""
        return ("group", "text", "completion_ids", "finish", self.score)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rankings of all groups, in their order."""
        score, keys = scores_of(table, self.score), keys_of(table, "completion_ids")
        groups = groups_of(table, context, self.name, score, self.truncated, keys)
        return ranked(table, score, [self._ranked(group, context.tally) for group in groups], context.tally)

    def _ranked(self, group: Group, tally: Tally) -> Array:
        """Return the rows of a ranking, the best first; none where no candidate is worse than the best."""
        top = group.score[group.complete].max(initial=-np.inf)
        best = np.flatnonzero((group.score == top) & group.complete)[:1]
        worse = np.flatnonzero(top - group.score > number(self.margin))
        tally.count("ties", int(len(best) > 0 and not len(worse) and len(group.rows) > 1))
        if not len(worse):
            return worse
        drawn = worse[: whole(self.rejected)]  # a group stands in an order that is drawn
        return group.rows[[*best, *drawn[np.argsort(-group.score[drawn], kind="stable")]]]


def ranked(table: pa.Table, score: Array, rankings: list[Array], tally: Tally) -> pa.Table:
    """Return rankings as a table, and count them.

    Args:
        table: Candidates.
        score: The score of each, ``(rows,)``.
        rankings: Where the candidates of each ranking stand in the table, the best first; an empty one gives no row.
        tally: Where to.
    """
    made = [ranking for ranking in rankings if len(ranking)]
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *made])
    best = table.take(pa.array([ranking[0] for ranking in made], pa.int64()))
    _count(tally, table.take(pa.array(rows)), best, rankings)
    lists = {
        "ranked": column_of(table, "text").take(pa.array(rows)),
        "ranked_ids": column_of(table, "completion_ids").take(pa.array(rows)),
        "ranked_scores": pa.array(score[rows]),
    }
    lengths = [len(ranking) for ranking in made]
    rest = best.drop_columns([name for name in CANDIDATE if name in best.column_names])
    return weighted(
        write(rest, **{name: nested(values, lengths) for name, values in lists.items()}), np.ones(len(made))
    )


def _count(tally: Tally, taken: pa.Table, best: pa.Table, rankings: list[Array]) -> None:
    lengths = np.array([len(ranking) for ranking in rankings], dtype=np.int64)
    has = lengths > 0
    tally.count("rankings", int(has.sum()))
    tally.count("groups_without_ranking", int((~has).sum()))
    tally.mean("yield", has)
    tally.mean("rejected", lengths[has] - 1)
    tally.mean("chosen_length", lengths_of(best, "completion_ids"))
    tally.mean("ranked_length", lengths_of(taken, "completion_ids"))
