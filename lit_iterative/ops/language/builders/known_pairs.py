"""Builders of preference pairs of candidates where it is known which is better: correct, or from a better context."""

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import Group, Truncated, groups_of
from lit_iterative.ops.language.builders.pairing import PairBuilder, PairOp, Side, Weigh, count_pairs, cross, paired
from lit_iterative.ops.language.tokens import keys_of, strings_of
from lit_iterative.ops.parameters import check_choice, check_range, number, whole
from lit_iterative.ops.schedule import Schedule
from lit_iterative.ops.tally import Tally


@dataclass(frozen=True)
class CorrectIncorrect(PairBuilder):
    """Prefers correct candidates to incorrect ones of the same prompt.

    Iterative RPO (Pang et al., 2024, arXiv:2404.19733) draws 10 pairs of a prompt in this way, with the
    verifier's 0 and 1 as score. Every candidate is used about equally often, and no pair twice.

    Args:
        score: The score.
        threshold: Scores from here on are correct.
        at_most: Pairs of a prompt.
        weigh: Whether the ``weight`` is 1 (``none``), the difference of the scores (``gap``), or of the ranks as a
            share of the largest in the group (``rank``).
        truncated: Whether completions that were cut go (``drop``), may only be rejected (``reject``), or count like
            any other (``keep``).

    Requires ``group``, ``text``, ``completion_ids``, ``finish`` and the score; provides ``chosen``, ``rejected``,
    ``chosen_ids``, ``rejected_ids``, ``chosen_score``, ``rejected_score`` and ``weight``. Counts ``all_correct`` and
    ``none_correct`` (groups), beside what every builder counts.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a score is infinite, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.context import Context
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["7", "8", "07"], **{"scores.correct": [1, 0, 1]})
        >>> made = CorrectIncorrect()(table, Context(Pool([0], 1)))
        >>> sorted(zip(made["chosen"].to_pylist(), made["rejected"].to_pylist()))
        [('07', '8'), ('7', '8')]
    """

    score: str = "scores.correct"
    threshold: float | Schedule = 0.5
    at_most: int | Schedule = 10
    weigh: Weigh = "none"
    truncated: Truncated = "reject"

    def pairs(self, group: Group, tally: Tally) -> list[tuple[int, int]]:
        """Return correct against incorrect."""
        correct = group.score >= number(self.threshold)
        tally.count("all_correct", int(correct.all() and len(correct) > 0))
        tally.count("none_correct", int(not correct.any()))
        return cross(np.flatnonzero(correct & group.complete), np.flatnonzero(~correct), whole(self.at_most))


@dataclass(frozen=True)
class ContrastivePrompts(PairOp):
    """Prefers candidates drawn under a good context to those of the same prompt drawn under a bad one.

    RLCD (Yang et al., 2023, arXiv:2307.12950): no scorer is asked; a positive and a negative prompt say what is
    better, and the plain prompt is trained on. With ``column="source"`` the contexts are actors: the policy over the
    one of an earlier round.

    Args:
        column: What tells the contexts apart; a column of texts. Rows with another text are not used.
        chosen: Its text in candidates that are better.
        rejected: Its text in those that are worse.
        at_most: Pairs of a prompt.
        truncated: Whether completions that were cut go (``drop``), may only be rejected (``reject``), or count like
            any other (``keep``).

    Requires ``group``, ``text``, ``completion_ids``, ``finish`` and the column; provides ``chosen``, ``rejected``,
    ``chosen_ids``, ``rejected_ids``, ``chosen_score`` (1), ``rejected_score`` (0) and ``weight``. Counts ``ties``:
    completions that a prompt has under both contexts, which say nothing.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If the column holds no texts, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["Gladly.", "No."], context=["positive", "negative"])
        >>> ContrastivePrompts()(table, Context(Pool([0], 1))).select(["chosen", "rejected"]).to_pylist()
        [{'chosen': 'Gladly.', 'rejected': 'No.'}]
    """

    column: str = "context"
    chosen: str = "positive"
    rejected: str = "negative"
    at_most: int | Schedule = 1
    truncated: Truncated = "reject"

    def __post_init__(self) -> None:
        check_range("ContrastivePrompts(at_most)", self.at_most, 1)
        check_choice("ContrastivePrompts(truncated)", self.truncated, get_args(Truncated))

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates and their contexts."""
        return (*super().requires, self.column)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the pairs of all groups, in their order."""
        score = self._preference(table)
        completions = keys_of(table, "completion_ids")
        keys = list(zip(score.tolist(), completions, strict=True))
        groups = groups_of(table, context, self.name, score, self.truncated, keys)
        pairs = [self._pairs(group, completions, context.tally) for group in groups]
        rows = np.array([pair for group in pairs for pair in group], dtype=np.int64).reshape(-1, 2)
        better, worse = (Side.of(table, side, score) for side in rows.T)
        made = paired(table.take(pa.array(rows[:, 0])), better, worse, np.ones(len(rows)))
        count_pairs(context.tally, made, [len(group) for group in pairs])
        return made

    def _preference(self, table: pa.Table) -> Array:
        """Return 1 for rows of the good context, 0 for those of the bad one, and NaN for others."""
        known = {self.chosen: 1.0, self.rejected: 0.0}
        return np.array([known.get(str(name), np.nan) for name in strings_of(table, self.column)], dtype=np.float64)

    def _pairs(self, group: Group, completions: list[bytes], tally: Tally) -> list[tuple[int, int]]:
        better, worse = group.rows[(group.score == 1) & group.complete], group.rows[group.score == 0]
        both = {completions[row] for row in better} & {completions[row] for row in worse}
        tally.count("ties", len(both))
        left, right = (
            np.array([row for row in side.tolist() if completions[row] not in both], dtype=np.int64)
            for side in (better, worse)
        )
        return cross(left, right, whole(self.at_most))
