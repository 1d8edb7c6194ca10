"""OwnOrGiven: the policy's own completion where it is good enough, and the given one elsewhere."""

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lit_iterative.columns import Array, keep, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.accepted import AcceptOp, Cut, count_groups, count_samples
from lit_iterative.ops.language.builders.given_pairs import Given
from lit_iterative.ops.language.builders.groups import Group, groups_of, scores_of, weighted
from lit_iterative.ops.language.builders.pairing import Side
from lit_iterative.ops.language.tokens import lists_of, spans, texts_of
from lit_iterative.ops.parameters import check_choice, number
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class OwnOrGiven(AcceptOp):
    """Takes the best of the policy's own completions of a prompt where it scores high enough, else the given one.

    Selective Self-Rehearsal (Gupta et al., 2024, arXiv:2409.04787): a policy that is taught by its own words, where
    these are judged as good as the given ones, forgets less of what it knew. A prompt that has neither gives no row.

    Args:
        gold: The column of given completions as text; their token ids, with EOS, are in the column of this name and
            ``_ids``, which ``Encode`` provides. Cells may be empty.
        score: The score.
        threshold: What it must be at least; of equals, who is taken is drawn.
        truncated: Whether own completions that were cut go (``drop``) or count like any other (``keep``).

    Requires ``group``, ``completion_ids``, ``text``, ``finish``, the score and the two gold columns; provides one row a
    prompt with ``text``, ``completion_ids``, ``own`` (whether it is the policy's) and ``weight``; one that is there
    stays a factor. The other columns of a given row are those of the prompt's first candidate. Counts ``own``,
    ``given`` and ``groups_without_sample``, beside ``abstained`` and ``truncated``, and measures ``yield`` (share of
    groups with a row), ``own_length``, ``given_length``, ``own_score`` and ``given_score``.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a score is infinite, gold ids are no lists of integers, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> gold = {"gold": ["1+1=2", "2+2=4"], "gold_ids": pa.array([[50, 2], [52, 2]])}
        >>> table = candidates(["2", "5"], [0, 1], **gold, **{"scores.correct": [1, 0]})
        >>> OwnOrGiven()(table, Context(Pool([0, 0], 1))).select(["text", "own"]).to_pylist()
        [{'text': '2', 'own': True}, {'text': '2+2=4', 'own': False}]
    """

    gold: str = "gold"
    score: str = "scores.correct"
    threshold: float | Schedule = 0.5
    truncated: Cut = "drop"

    def __post_init__(self) -> None:
        check_choice("OwnOrGiven(truncated)", self.truncated, get_args(Cut))

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates, their score and the given completions."""
        return (*super().requires, "text", self.gold, f"{self.gold}_ids")

    @property
    def provides(self) -> tuple[str, ...]:
        """The completion, whose it is, and the weight."""
        return ("text", "completion_ids", "own", "weight")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one row for each prompt, in the order of the table."""
        score, given = scores_of(table, self.score), Given.of(table, self.gold, f"{self.gold}_ids")
        heads = [start for start, _ in spans(table)]
        groups = groups_of(table, context, self.name, score, self.truncated, keys=None)
        best = [self._best(group) for group in groups]
        has = [row is not None or head in given.keys for head, row in zip(heads, best, strict=True)]
        count_groups(context.tally, list(map(int, has)))
        kept = [(head, row) for head, row, some in zip(heads, best, has, strict=True) if some]
        rows = np.array([head if row is None else row for head, row in kept], dtype=np.int64)
        own = np.array([row is not None for _, row in kept], dtype=bool)
        made = self._made(table.take(pa.array(rows)), own, given.side(rows, 0.0))
        for name, mask in (("own", own), ("given", ~own)):
            count_samples(context.tally, name, keep(made, mask), score[rows][mask])
        return weighted(made, np.ones(len(rows)))

    def _best(self, group: Group) -> int | None:
        """Return the best row of a group, if it is good enough."""
        if not len(group.rows) or group.score.max() < number(self.threshold):
            return None
        return int(group.rows[group.score.argmax()])

    def _made(self, table: pa.Table, own: Array, given: Side) -> pa.Table:
        """Return the rows with the given completion where there is no own one."""
        mine = pa.array(own)
        text = pc.if_else(mine, pa.array(texts_of(table, "text"), pa.string()), given.text)
        ids = pc.if_else(mine, lists_of(table, "completion_ids"), given.ids)
        return write(table.drop_columns(["finish"]), text=text, completion_ids=ids, own=own)
