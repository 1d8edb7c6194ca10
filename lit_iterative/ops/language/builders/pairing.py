"""What builders of pairs share: how two sides become a row, how strong a pair is, and what is counted."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import Group, Truncated, groups_of, scores_of, weighted
from lit_iterative.ops.language.tokens import keys_of, lengths_of, texts_of
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_choice, check_range
from lit_iterative.ops.schedule import Schedule
from lit_iterative.ops.tally import Tally

#: What the weight of a pair is multiplied by: nothing, the difference of the scores, or that of the ranks.
Weigh = Literal["none", "gap", "rank"]

CANDIDATE = ("candidate", "text", "completion_ids", "completion_mask", "finish")
PAIR = ("chosen", "rejected", "chosen_ids", "rejected_ids", "chosen_score", "rejected_score", "weight")


class PairOp(Op):
    """Turns the candidates of a prompt into pairs. Subclass it as a frozen dataclass.

    Columns that are neither made nor taken away stay, with the values of the candidate that a pair is made from, the
    chosen one where both are. A ``weight`` that is there stays a factor. Of candidates with a ``completion_mask`` pairs
    have a ``chosen_mask`` and a ``rejected_mask``.
    """

    scope: ClassVar[Scope] = "group"

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates."""
        return ("group", "text", "completion_ids", "finish")

    @property
    def provides(self) -> tuple[str, ...]:
        """The pairs."""
        return PAIR

    @property
    def consumes(self) -> tuple[str, ...]:
        """What a candidate has but a pair has not."""
        return CANDIDATE


class PairBuilder(PairOp):
    """Makes pairs by a score. Subclass it as a frozen dataclass with these fields.

    No candidate whose scorer abstained is used, and equal completions count once, so that the two sides always differ.
    """

    score: str
    at_most: int | Schedule | None
    weigh: Weigh
    truncated: Truncated

    def __post_init__(self) -> None:
        check_range(f"{self.name}(at_most)", self.at_most, 1)
        check_range(f"{self.name}(margin)", getattr(self, "margin", None), 0)
        check_choice(f"{self.name}(weigh)", self.weigh, get_args(Weigh))
        check_choice(f"{self.name}(truncated)", self.truncated, get_args(Truncated))

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates and their score."""
        return (*super().requires, self.score)

    @abstractmethod
    def pairs(self, group: Group, tally: Tally) -> list[tuple[int, int]]:
        """Return the pairs of a group.

        Args:
            group: Its usable candidates; there may be none.
            tally: To count what is not paired, and why.

        Returns:
            The positions in the group of the chosen and the rejected candidate.
        """

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the pairs of all groups, in their order."""
        score = scores_of(table, self.score)
        places: list[Array] = []
        strengths: list[Array] = []
        keys = keys_of(table, "completion_ids")
        for group in groups_of(table, context, self.name, score, self.truncated, keys):
            pairs = np.array(self.pairs(group, context.tally), dtype=np.int64).reshape(-1, 2)
            places.append(group.rows[pairs])
            strengths.append(strength(group.score, pairs, self.weigh))
        chosen, rejected = np.concatenate([np.zeros((0, 2), dtype=np.int64), *places]).T
        made = paired(
            table.take(pa.array(chosen)),
            Side.of(table, chosen, score),
            Side.of(table, rejected, score),
            np.concatenate([np.zeros(0), *strengths]),
        )
        count_pairs(context.tally, made, [len(place) for place in places])
        return self.finished(made, table, chosen, rejected)

    def finished(self, made: pa.Table, table: pa.Table, chosen: Array, rejected: Array) -> pa.Table:
        """Return the pairs as they leave the builder; one that knows more of both sides overrides it.

        Args:
            made: The pairs.
            table: The candidates.
            chosen: Where the chosen ones stand in it, ``(pairs,)``.
            rejected: Where the rejected ones do, ``(pairs,)``.
        """
        return made


class Side(NamedTuple):
    """One side of every pair.

    Args:
        ids: Token ids, ``list<int32>``.
        text: Texts.
        score: Scores, ``(pairs,)``.
        mask: Weights of the tokens, ``list<float>``; none where all count alike.
    """

    ids: pa.ChunkedArray
    text: pa.ChunkedArray
    score: Array
    mask: pa.ChunkedArray | None = None

    @classmethod
    def of(cls, table: pa.Table, rows: Array, score: Array) -> "Side":
        """Return these candidates of a table as a side.

        Args:
            table: Candidates.
            rows: Where they stand in it, ``(pairs,)``.
            score: The score of every row of the table.
        """
        texts_of(table, "text")  # refuses what is no text
        masked = [name for name in ("completion_mask",) if name in table.column_names]
        taken = table.select(["completion_ids", "text", *masked]).take(pa.array(rows))
        mask = taken.column("completion_mask") if masked else None
        return cls(taken.column("completion_ids"), taken.column("text"), score[rows], mask)


def paired(rest: pa.Table, chosen: Side, rejected: Side, weight: Array) -> pa.Table:
    """Return pairs as a table.

    Args:
        rest: The row that each pair takes its other columns from.
        chosen: The better sides.
        rejected: The worse sides.
        weight: Of each pair, ``(pairs,)``; multiplied by a column ``weight`` that is there.
    """
    pairs = write(
        rest.drop_columns([name for name in CANDIDATE if name in rest.column_names]),
        chosen=chosen.text,
        rejected=rejected.text,
        chosen_ids=chosen.ids,
        rejected_ids=rejected.ids,
        chosen_score=chosen.score,
        rejected_score=rejected.score,
    )
    return weighted(_masked(pairs, chosen.mask, rejected.mask), weight)


def _masked(pairs: pa.Table, chosen: pa.ChunkedArray | None, rejected: pa.ChunkedArray | None) -> pa.Table:
    """Return pairs with the masks of their sides, where one has any; an empty cell counts all tokens."""
    if chosen is None and rejected is None:
        return pairs
    none = pa.nulls(pairs.num_rows, pa.list_(pa.float32()))
    return write(
        pairs, chosen_mask=none if chosen is None else chosen, rejected_mask=none if rejected is None else rejected
    )


def strength(score: Array, pairs: Array, weigh: Weigh) -> Array:
    """Return how strong each pair is, shape ``(pairs,)``.

    Args:
        score: The scores of a group, ``(candidates,)``.
        pairs: Positions of the chosen and the rejected, ``(pairs, 2)``.
        weigh: ``none`` gives 1, ``gap`` the difference of the scores, ``rank`` the difference of the ranks as a share
            of the largest in the group.

    Example:
        >>> strength(np.array([1.0, 5.0, 2.0]), np.array([[1, 0], [2, 0]]), "rank")
        array([1. , 0.5])
    """
    if weigh == "none" or not len(pairs):
        return np.ones(len(pairs))
    if weigh == "gap":
        gap: Array = score[pairs[:, 0]] - score[pairs[:, 1]]
        return gap
    values, rank = np.unique(score, return_inverse=True)
    steps: Array = rank[pairs[:, 0]] - rank[pairs[:, 1]]
    return steps / (len(values) - 1)


def cross(chosen: Array, rejected: Array, at_most: int | None = None) -> list[tuple[int, int]]:
    """Pair two sides, so that each candidate is used about equally often and no pair comes twice.

    Args:
        chosen: The better ones, ``(left,)``.
        rejected: The worse ones, ``(right,)``.
        at_most: Pairs at most; all when left out.

    Example:
        >>> cross(np.array([0, 1]), np.array([2, 3]))
        [(0, 2), (1, 3), (0, 3), (1, 2)]
        >>> cross(np.array([0]), np.array([2, 3]), at_most=1)
        [(0, 2)]
    """
    left, right = len(chosen), len(rejected)
    count = left * right if at_most is None else min(at_most, left * right)
    cycle = math.lcm(left, right)  # after it the same pairs would come again, so that one side moves on by one
    return [(int(chosen[k % left]), int(rejected[(k + k // cycle) % right])) for k in range(count)]


def count_pairs(tally: Tally, made: pa.Table, pairs: Sequence[int]) -> None:
    """Count the pairs, and measure their lengths and how far apart they are.

    Args:
        tally: Where to.
        made: The pairs.
        pairs: How many there are of every group.
    """
    has = np.array(pairs, dtype=np.int64) > 0
    tally.count("pairs", made.num_rows)
    tally.count("groups_without_pair", int((~has).sum()))
    tally.mean("yield", has)
    tally.mean("chosen_length", lengths_of(made, "chosen_ids"))
    tally.mean("rejected_length", lengths_of(made, "rejected_ids"))
    tally.mean("score_gap", read(made, "chosen_score") - read(made, "rejected_score"))
