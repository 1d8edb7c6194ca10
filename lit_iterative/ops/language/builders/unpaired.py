"""Unpaired: single completions that are desirable or not."""

from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.accepted import count_groups, count_samples
from lit_iterative.ops.language.builders.groups import Group, Truncated, groups_of, scores_of, weighted
from lit_iterative.ops.language.tokens import keys_of
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_choice, check_range, number
from lit_iterative.ops.schedule import Schedule
from lit_iterative.ops.tally import Tally


@dataclass(frozen=True)
class Unpaired(Op):
    """Calls every candidate desirable or undesirable, as KTO and NFT train on them.

    KTO (Ethayarajh et al., 2024, arXiv:2402.01306), NFT (Chen et al., 2025, arXiv:2505.18116).

    Args:
        score: The score.
        threshold: Scores from here on are desirable.
        margin: Scores below the threshold by no more than this are neither, and go.
        balanced: Whether a prompt gives as many desirable as undesirable rows, drawn from those that it has; prompts
            with one kind only then give none.
        distinct: Whether equal completions of a prompt count once.
        weigh: Whether the ``weight`` is how far the score is from the threshold, or 1.
        truncated: Whether completions that were cut go (``drop``), may only be undesirable (``reject``), or count
            like any other (``keep``).

    Requires ``group``, ``completion_ids``, ``finish`` and the score; provides ``desirable`` (boolean) and ``weight``;
    one that is there stays a factor. Counts ``desirable``, ``undesirable``, ``ties`` (rows within the margin),
    ``unbalanced`` (rows dropped for the balance), ``groups_without_sample``, beside ``abstained``, ``truncated`` and
    ``duplicates``, and measures ``yield`` (share of groups with a row), and length and score of both kinds.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a score is infinite, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["2", "3"], **{"scores.vote": [0.75, 0.25]})
        >>> made = Unpaired("scores.vote", weigh=True)(table, Context(Pool([0], 1)))
        >>> made.select(["text", "desirable", "weight"]).to_pylist()
        [{'text': '2', 'desirable': True, 'weight': 0.25}, {'text': '3', 'desirable': False, 'weight': 0.25}]
    """

    score: str = "scores.correct"
    threshold: float | Schedule = 0.5
    margin: float | Schedule = 0.0
    balanced: bool = False
    distinct: bool = True
    weigh: bool = False
    truncated: Truncated = "reject"
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        check_range("Unpaired(margin)", self.margin, 0)
        check_choice("Unpaired(truncated)", self.truncated, get_args(Truncated))

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates and their score."""
        return ("group", "completion_ids", "finish", self.score)

    @property
    def provides(self) -> tuple[str, ...]:
        """Which kind a row is, and its weight."""
        return ("desirable", "weight")

    @property
    def consumes(self) -> tuple[str, ...]:
        """Why the completion ended."""
        return ("finish",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows of both kinds, in the order of the table."""
        score, tally = scores_of(table, self.score), context.tally
        keys = keys_of(table, "completion_ids") if self.distinct else None
        groups = groups_of(table, context, self.name, score, self.truncated, keys)
        taken = [self._sorted_out(group, tally) for group in groups]
        rows = np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *taken]))
        made, distance = table.take(pa.array(rows)).drop_columns(["finish"]), score[rows] - number(self.threshold)
        self._count(made, distance >= 0, score[rows], [len(group) for group in taken], tally)
        made = write(made, desirable=distance >= 0)
        return weighted(made, np.abs(distance) if self.weigh else np.ones(len(rows)))

    def _sorted_out(self, group: Group, tally: Tally) -> Array:
        """Return the rows of a group that are of one kind or the other."""
        threshold = number(self.threshold)
        good, bad = group.score >= threshold, group.score < threshold - number(self.margin)
        tally.count("ties", int((~good & ~bad).sum()))
        kinds = [group.rows[good & group.complete], group.rows[bad]]
        if self.balanced:
            size = min(map(len, kinds))
            tally.count("unbalanced", sum(map(len, kinds)) - 2 * size)
            kinds = [kind[:size] for kind in kinds]
        return np.concatenate(kinds)

    def _count(self, made: pa.Table, desirable: Array, score: Array, rows: list[int], tally: Tally) -> None:
        count_groups(tally, rows)
        for name, kind in (("desirable", desirable), ("undesirable", ~desirable)):
            count_samples(tally, name, keep(made, kind), score[kind])
