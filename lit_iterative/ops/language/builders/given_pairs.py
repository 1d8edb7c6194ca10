"""Builders of pairs of a candidate and a completion that is given: a gold one, or one of the round before."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep, look_up, read
from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import groups_of, scores_of
from lit_iterative.ops.language.builders.pairing import PairOp, Side, count_pairs, paired
from lit_iterative.ops.language.tokens import IDS, column_of, keys_of, lists_of, repeats, strings_of
from lit_iterative.ops.parameters import check_choice, check_range, number, whole
from lit_iterative.ops.schedule import Schedule
from lit_iterative.ops.tally import Tally

Gold = Literal["drop", "reject"]
Own = Literal["drop", "keep"]
Past = Literal["chosen", "rejected", "text"]


@dataclass(frozen=True)
class GoldOwn(PairOp):
    """Prefers the gold completion of a prompt to the policy's own.

    SPIN (Chen et al., 2024, arXiv:2401.01335, algorithm 1): the policy learns to tell people's completions from those
    that it wrote itself a round ago. Prompts without a gold completion give no pair.

    Args:
        gold: The column of gold completions as text; their token ids, with EOS, are in the column of this name and
            ``_ids``, which ``Encode`` provides, and their masks, if any, in that of this name and ``_mask``. Cells may
            be empty.
        at_most: Own completions of a prompt, drawn from all.
        truncated: Whether own completions that were cut go (``drop``) or are rejected (``reject``).

    Requires ``group``, ``text``, ``completion_ids``, ``finish`` and the two gold columns; provides ``chosen``,
    ``rejected``, ``chosen_ids``, ``rejected_ids``, ``chosen_score`` (1), ``rejected_score`` (0) and ``weight``. Counts
    ``ties`` (own completions equal to the gold one) and ``not_given`` (groups without one), beside what every builder
    counts.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If gold ids are no lists of integers, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["5"], gold=["4"], gold_ids=pa.array([[52, 2]]))
        >>> GoldOwn()(table, Context(Pool([0], 1))).select(["chosen", "rejected", "chosen_ids"]).to_pylist()
        [{'chosen': '4', 'rejected': '5', 'chosen_ids': [52, 2]}]
    """

    gold: str = "gold"
    at_most: int | Schedule = 1
    truncated: Gold = "reject"

    def __post_init__(self) -> None:
        check_range("GoldOwn(at_most)", self.at_most, 1)
        check_choice("GoldOwn(truncated)", self.truncated, get_args(Gold))

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates and the gold completions."""
        return (*super().requires, self.gold, f"{self.gold}_ids")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the pairs of all groups, in their order."""
        given = Given.of(table, self.gold, f"{self.gold}_ids")
        own, score = keys_of(table, "completion_ids"), np.zeros(table.num_rows)
        rows = []
        for group in groups_of(table, context, self.name, score, self.truncated, own):
            rows.append(given.differing(group.rows, own, context.tally)[: whole(self.at_most)])
        return _pairs(table, rows, given, context.tally, given_wins=True)


@dataclass(frozen=True)
class PastFuture(PairOp):
    """Prefers what the policy writes now to what the same prompt had in the round before.

    DITTO (Shaikh et al., 2024, arXiv:2406.00888) prefers later policies to earlier ones in this way, and
    Temporal Self-Rewarding (Wang et al., 2025, arXiv:2508.06026) rejects completions of an earlier policy. Where
    there is no round before, or it had no row of a prompt, there is no pair: let another builder make the first round.

    Args:
        past: What is rejected: the ``chosen`` or ``rejected`` side of the pairs of the round before, or its ``text``
            where it kept accepted completions; of several rows of a prompt, the first.
        score: The score by which the best of the new completions are taken; drawn when left out.
        at_most: New completions of a prompt.
        truncated: Whether new completions that were cut go (``drop``) or count like any other (``keep``).

    Requires ``group``, ``text``, ``completion_ids``, ``finish`` and the score, if there is one; provides ``chosen``,
    ``rejected``, ``chosen_ids``, ``rejected_ids``, ``chosen_score`` (1), ``rejected_score`` (0) and ``weight``. Counts
    ``ties`` (new completions equal to the old one) and ``not_given`` (groups without an old one), beside what every
    builder counts.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If the round before has no such column, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> PastFuture()(candidates(["5"]), Context(Pool([0], 1))).num_rows
        0
    """

    past: Past = "chosen"
    score: str | None = None
    at_most: int | Schedule = 1
    truncated: Own = "drop"

    def __post_init__(self) -> None:
        check_range("PastFuture(at_most)", self.at_most, 1)
        check_choice("PastFuture(past)", self.past, get_args(Past))
        check_choice("PastFuture(truncated)", self.truncated, get_args(Own))

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates, and their score."""
        return (*super().requires, *([self.score] if self.score else []))

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the pairs of all groups, in their order."""
        return self._against(self._before(context), table, context)

    def map(self, shards: Iterable[pa.Table], context: Context) -> Iterator[pa.Table]:
        """Return the pairs of every shard; the round before is read once."""
        before = self._before(context)
        for shard in shards:
            yield self._against(before, shard, context)

    def _before(self, context: Context) -> pa.Table | None:
        """Return the first row of every prompt of the round before."""
        if context.previous is None:
            return None
        names = ["id", self.past, "completion_ids" if self.past == "text" else f"{self.past}_ids"]
        before = context.previous.table()
        missing = sorted(set(names) - set(before.column_names))
        if missing:
            raise DataError(
                f"PastFuture(past={self.past!r}) reads {missing} of round {context.previous.round}, which has only "
                f"{before.column_names}. Give past='chosen' after pairs and past='text' after accepted completions."
            )
        first = keep(before.select(names), ~repeats(read(before, "id").tolist()))
        return first.rename_columns(["id", "text", "ids"])

    def _against(self, before: pa.Table | None, table: pa.Table, context: Context) -> pa.Table:
        given = Given.none(table.num_rows) if before is None else Given.matched(before, read(table, "id"))
        own = keys_of(table, "completion_ids")
        score = np.zeros(table.num_rows) if self.score is None else scores_of(table, self.score)
        rows = []
        for group in groups_of(table, context, self.name, score, self.truncated, own):
            best_first = group.rows[np.argsort(-group.score, kind="stable")]
            rows.append(given.differing(best_first, own, context.tally)[: whole(self.at_most)])
        return _pairs(table, rows, given, context.tally, given_wins=False)


@dataclass(frozen=True)
class OwnOverGiven(PairOp):
    """Prefers the best of the policy's own completions to one that is given, where it is better.

    Per-step negatives (Setlur et al., 2024, arXiv:2406.14532): a step with which a solution went wrong is rejected for
    the best of others that were drawn in its place; ``FirstDrop`` gives it.

    Args:
        given: The column of given completions as text; their token ids are in the column of this name and ``_ids``.
            Cells may be empty.
        score: The score of own completions; that of the given one is in the column ``scores.<given>``.
        margin: The own one must be better by more than this; else they are ties.
        at_most: Own completions of a group, the best first.
        truncated: Whether own completions that were cut go (``drop``) or count like any other (``keep``).

    Requires ``group``, ``text``, ``completion_ids``, ``finish``, both scores and the two given columns; provides
    ``chosen``, ``rejected``, ``chosen_ids``, ``rejected_ids``, ``chosen_score``, ``rejected_score`` and ``weight``.
    Counts ``not_better`` (groups without a better one), ``ties`` (own completions equal to the given one) and
    ``not_given`` (groups without a given one), beside what every builder counts.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If given ids are no lists of integers, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> given = {"critical": ["5", "5"], "critical_ids": pa.array([[53], [53]]), "scores.critical": [0.25, 0.25]}
        >>> table = candidates(["4", "6"], **given, **{"scores.value": [0.75, 0.0]})
        >>> OwnOverGiven()(table, Context(Pool([0], 1))).select(["chosen", "rejected", "chosen_score"]).to_pylist()
        [{'chosen': '4', 'rejected': '5', 'chosen_score': 0.75}]
    """

    given: str = "critical"
    score: str = "scores.value"
    margin: float | Schedule = 0.0
    at_most: int | Schedule = 1
    truncated: Own = "drop"

    def __post_init__(self) -> None:
        check_range("OwnOverGiven(margin)", self.margin, 0)
        check_range("OwnOverGiven(at_most)", self.at_most, 1)
        check_choice("OwnOverGiven(truncated)", self.truncated, get_args(Own))

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates, the given completions, and the scores of both."""
        return (*super().requires, self.score, self.given, f"{self.given}_ids", f"scores.{self.given}")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the pairs of all groups, in their order."""
        given = Given.of(table, self.given, f"{self.given}_ids")
        own, score = keys_of(table, "completion_ids"), scores_of(table, self.score)
        bound = scores_of(table, f"scores.{self.given}")
        rows = []
        for group in groups_of(table, context, self.name, score, self.truncated, own):
            best_first = group.rows[np.argsort(-group.score, kind="stable")]
            fit = given.differing(best_first, own, context.tally)
            better = fit[score[fit] - bound[fit] > number(self.margin)]
            context.tally.count("not_better", int(len(fit) > 0 and not len(better)))
            rows.append(better[: whole(self.at_most)])
        flat = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
        chosen, rejected = Side.of(table, flat, score), given.side(flat, 0.0)._replace(score=bound[flat])
        made = paired(table.take(pa.array(flat)), chosen, rejected, np.ones(len(flat)))
        count_pairs(context.tally, made, [len(group) for group in rows])
        return made


@dataclass(frozen=True)
class Given:
    """Completions that are given for the rows of a table, or for some of them.

    Args:
        text: Texts, ``(rows,)``; null where there is none.
        ids: Token ids, ``(rows,)``; null where there is none.
        mask: Weights of the tokens, ``(rows,)``; none where all count alike.
    """

    text: pa.Array
    ids: pa.Array
    mask: pa.Array | None = None

    @classmethod
    def of(cls, table: pa.Table, text: str, ids: str) -> "Given":
        """Return the completions in two columns of the table, and their masks where there is a third."""
        mask = f"{ids.removesuffix('_ids')}_mask"
        masks = column_of(table, mask) if mask in table.column_names else None
        return cls(pa.array(strings_of(table, text), pa.string()), lists_of(table, ids), masks)

    @classmethod
    def none(cls, rows: int) -> "Given":
        """Return no completions."""
        return cls(pa.nulls(rows, pa.string()), pa.nulls(rows, IDS))

    @classmethod
    def matched(cls, known: pa.Table, ids: Array) -> "Given":
        """Return the completions of these ids among those of a table with ``id``, ``text`` and ``ids``."""
        position, found = look_up(ids, read(known, "id"))
        return cls.of(known.take(pa.array(position, mask=~found)), "text", "ids")

    @cached_property
    def keys(self) -> dict[int, Any]:
        """What tells the completions apart, by row."""
        rows = np.flatnonzero(np.asarray(self.text.is_valid()) & np.asarray(self.ids.is_valid()))
        taken = pa.table({"ids": self.ids}).take(pa.array(rows))
        return dict(zip(rows.tolist(), keys_of(taken, "ids"), strict=True))

    def differing(self, rows: Array, own: Sequence[Any], tally: Tally) -> Array:
        """Return those rows of a group whose own completion is not the given one; counts ``ties`` and ``not_given``."""
        known = [row for row in rows.tolist() if row in self.keys]
        fit = [row for row in known if own[row] != self.keys[row]]
        tally.count("not_given", int(len(rows) > 0 and not known))
        tally.count("ties", len(known) - len(fit))
        return np.array(fit, dtype=np.int64)

    def side(self, rows: Array, score: float) -> Side:
        """Return the completions of these rows as a side of pairs, all with one score."""
        taken = pa.table({"ids": self.ids, "text": self.text}).take(pa.array(rows))
        mask = None if self.mask is None else self.mask.take(pa.array(rows))
        return Side(taken.column("ids"), taken.column("text"), np.full(len(rows), score), mask)


def _pairs(table: pa.Table, rows: list[Array], given: Given, tally: Tally, given_wins: bool) -> pa.Table:
    """Return the pairs of these rows, by group, with the completions that are given for them."""
    flat = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
    mine = Side.of(table, flat, np.full(table.num_rows, float(not given_wins)))
    theirs = given.side(flat, float(given_wins))
    chosen, rejected = (theirs, mine) if given_wins else (mine, theirs)
    made = paired(table.take(pa.array(flat)), chosen, rejected, np.ones(len(flat)))
    count_pairs(tally, made, [len(group) for group in rows])
    return made
