"""GivenRanking: the given completion of a prompt against several of the policy's own, in one row."""

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.given_pairs import Given, Gold
from lit_iterative.ops.language.builders.groups import Group, groups_of, scores_of
from lit_iterative.ops.language.builders.ranking import RankingBuilder, ranked
from lit_iterative.ops.language.tokens import keys_of, lists_of, texts_of
from lit_iterative.ops.parameters import check_choice, check_range, number, whole
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class GivenRanking(RankingBuilder):
    """Prefers the given completion of every prompt to several of the policy's own, in one row, the given one first.

    The own ones are drawn from those with the lowest scores: of a ``Similarity`` to the given completion, those that
    are least like it, as in Self-Contrast (Liu et al., 2024, arXiv:2404.00604). With the loss ``softmax_dpo`` the given
    one is compared with all others at once. Prompts without a given completion give no row.

    Args:
        gold: The column of given completions as text; their token ids, with EOS, are in the column of this name and
            ``_ids``, which ``Encode`` provides. Cells may be empty.
        score: The score; low is bad.
        share: The share of a prompt's own completions, those with the lowest scores, that may be rejected; rounded up.
        rejected: Own completions in a row, at most, drawn from these.
        truncated: Whether own completions that were cut go (``drop``) or are rejected (``reject``).

    Requires ``group``, ``text``, ``completion_ids``, ``finish``, the score and the two gold columns; provides
    ``ranked`` (texts), ``ranked_ids``, ``ranked_scores`` (lists, the best first; that of the given one is NaN) and
    ``weight``: 1, or the factor that is there. Columns that are neither made nor taken away have the values of the
    first own completion. Counts ``not_given`` (groups), ``ties`` (own completions equal to the given one), and what
    :class:`~lit_iterative.ops.language.builders.ranking.Ranking` counts but its ties.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a score is infinite, gold ids are no lists of integers, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> gold = {"gold": ["good"] * 4, "gold_ids": pa.array([[52, 2]] * 4)}
        >>> table = candidates(["a", "b", "c", "d"], **gold, **{"scores.similarity": [0.9, 0.1, 0.2, 0.8]})
        >>> GivenRanking()(table, Context(Pool([0], 1)))["ranked"].to_pylist()
        [['good', 'c', 'b']]
    """

    gold: str = "gold"
    score: str = "scores.similarity"
    share: float | Schedule = 0.5
    rejected: int | Schedule = 4
    truncated: Gold = "reject"

    def __post_init__(self) -> None:
        check_range("GivenRanking(share)", self.share, 0, 1, open_low=True)
        check_range("GivenRanking(rejected)", self.rejected, 1)
        check_choice("GivenRanking(truncated)", self.truncated, get_args(Gold))

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates, their score and the given completions."""
        return ("group", "text", "completion_ids", "finish", self.score, self.gold, f"{self.gold}_ids")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rankings of all groups, in their order."""
        score, keys = scores_of(table, self.score), keys_of(table, "completion_ids")
        given = Given.of(table, self.gold, f"{self.gold}_ids")
        groups = groups_of(table, context, self.name, score, self.truncated, keys)
        worse = [self._worse(group, given.differing(group.rows, keys, context.tally), score) for group in groups]
        # the given completion of a row stands as many places behind its own one as the table has rows
        rankings = [np.array([rows[0] + table.num_rows, *rows] if len(rows) else [], np.int64) for rows in worse]
        own = write(
            table, text=pa.array(texts_of(table, "text"), pa.string()), completion_ids=lists_of(table, "completion_ids")
        )
        both = pa.concat_tables([own, write(own, text=given.text, completion_ids=given.ids)])
        return ranked(both, np.concatenate([score, np.full(table.num_rows, np.nan)]), rankings, context.tally)

    def _worse(self, group: Group, rows: Array, score: Array) -> Array:
        """Return the own completions of a group to reject, the best of them first."""
        lowest = rows[np.argsort(score[rows], kind="stable")][: math.ceil(number(self.share) * len(rows))]
        drawn = lowest[group.draw.permutation(len(lowest))][: whole(self.rejected)]
        return drawn[np.argsort(-score[drawn], kind="stable")]
