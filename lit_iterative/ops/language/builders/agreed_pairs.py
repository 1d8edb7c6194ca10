"""AgreedPairs: pairs about whose order several scores agree."""

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import Group, Truncated, groups_of, scores_of
from lit_iterative.ops.language.builders.pairing import PairOp, Side, count_pairs, paired
from lit_iterative.ops.language.score.consistency import check_several
from lit_iterative.ops.language.tokens import keys_of, spans
from lit_iterative.ops.parameters import check_choice, check_range, whole
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class AgreedPairs(PairOp):
    """Prefers one candidate to another only where every score does.

    The preferences that a policy has in itself, such as its implicit reward and its own judgement, often contradict
    each other; SCIR (Zhou et al., 2025, arXiv:2502.08922) trains only on pairs on which they agree.

    Args:
        scores: Columns of scores; at least two.
        at_most: Pairs of a prompt, those first whose mean ranks in the group are furthest apart; all when left out.
        truncated: Whether completions that were cut go (``drop``), may only be rejected (``reject``), or count like
            any other (``keep``).

    Requires ``group``, ``text``, ``completion_ids``, ``finish`` and the scores; provides ``chosen``, ``rejected``,
    ``chosen_ids``, ``rejected_ids``, ``chosen_score``, ``rejected_score`` (mean rank in the group, from 0 to 1) and
    ``weight`` (1). Counts ``disagreements``: pairs of candidates that one score orders against another, beside what
    every builder counts, and measures ``agreement``: the share that all order alike of the pairs that any orders.

    Raises:
        PipelineError: If there are fewer than two scores, or a parameter is out of its range.
        DataError: If a score is infinite, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["a", "b", "c"], **{"scores.implicit": [3, 2, 1], "scores.judge": [1, 4, 0]})
        >>> made = AgreedPairs(["scores.implicit", "scores.judge"])(table, Context(Pool([0], 1)))
        >>> made.select(["chosen", "rejected"]).to_pylist()
        [{'chosen': 'b', 'rejected': 'c'}, {'chosen': 'a', 'rejected': 'c'}]
    """

    scores: list[str]
    at_most: int | Schedule | None = None
    truncated: Truncated = "reject"

    def __post_init__(self) -> None:
        check_several(self.name, self.scores)
        check_range("AgreedPairs(at_most)", self.at_most, 1)
        check_choice("AgreedPairs(truncated)", self.truncated, get_args(Truncated))

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates and their scores."""
        return (*super().requires, *self.scores)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the pairs of all groups, in their order."""
        scores = np.array([scores_of(table, name) for name in self.scores]).reshape(len(self.scores), -1)
        rank = mean_ranks(scores, spans(table))
        groups = groups_of(table, context, self.name, rank, self.truncated, keys_of(table, "completion_ids"))
        pairs = [self._pairs(group, scores[:, group.rows], context) for group in groups]
        chosen, rejected = np.concatenate([np.zeros((0, 2), dtype=np.int64), *pairs]).T
        better, worse = (Side.of(table, rows, rank) for rows in (chosen, rejected))
        made = paired(table.take(pa.array(chosen)), better, worse, np.ones(len(chosen)))
        count_pairs(context.tally, made, [len(rows) for rows in pairs])
        return made

    def _pairs(self, group: Group, scores: Array, context: Context) -> Array:
        """Return the rows of a group's pairs, ``(pairs, 2)``."""
        above = scores[:, :, None] > scores[:, None, :]
        agreed, ordered = above.all(axis=0), above.any(axis=0)
        context.tally.count("disagreements", int((ordered & ordered.T).sum()) // 2)
        told = (ordered | ordered.T)[np.triu_indices(len(group.rows), 1)]
        context.tally.mean("agreement", (agreed | agreed.T)[np.triu_indices(len(group.rows), 1)][told])
        places = np.argwhere(agreed & group.complete[:, None])
        gap = group.score[places[:, 0]] - group.score[places[:, 1]]
        places = places[np.argsort(-gap, kind="stable")]
        most = len(places) if self.at_most is None else whole(self.at_most)
        return np.asarray(group.rows[places[:most]])


def mean_ranks(scores: Array, bounds: list[tuple[int, int]]) -> Array:
    """Return the mean over scores of each row's rank in its group, from 0 to 1, ``(rows,)``; equals share a rank.

    A row without one of the scores has NaN.

    Args:
        scores: ``(scores, rows)``.
        bounds: Where groups begin and end.

    Example:
        >>> mean_ranks(np.array([[5.0, 9.0, 7.0], [1.0, 1.0, 0.0]]), [(0, 3)])
        array([0.5 , 1.  , 0.25])
    """
    ranks = np.full(scores.shape, np.nan)
    for start, end in bounds:
        rows = start + np.flatnonzero(~np.isnan(scores[:, start:end]).any(axis=0))
        for number, score in enumerate(scores[:, rows]):
            values, rank = np.unique(score, return_inverse=True)
            ranks[number, rows] = rank / max(1, len(values) - 1)
    return np.asarray(ranks.mean(axis=0))
