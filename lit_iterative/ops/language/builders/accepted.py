"""Builders of accepted samples: the candidates that are good enough to be imitated."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read
from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import Group, groups_of, scores_of, weighted
from lit_iterative.ops.language.tokens import keys_of, lengths_of, repeats
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_choice, check_range, number, whole
from lit_iterative.ops.schedule import Schedule
from lit_iterative.ops.tally import Tally

Cut = Literal["drop", "keep"]


class AcceptOp(Op):
    """Keeps some of the candidates as they are. Subclass it as a frozen dataclass with these fields."""

    scope: ClassVar[Scope] = "group"
    score: str
    truncated: Cut

    def __post_init__(self) -> None:
        check_choice(f"{self.name}(truncated)", self.truncated, get_args(Cut))

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates and their score."""
        return ("group", "completion_ids", "finish", self.score)

    @property
    def provides(self) -> tuple[str, ...]:
        """The weight."""
        return ("weight",)

    @property
    def consumes(self) -> tuple[str, ...]:
        """Why the completion ended."""
        return ("finish",)


@dataclass(frozen=True)
class Accept(AcceptOp):
    """Keeps the candidates that score high enough, to train on them as they are.

    With a verifier's 0 and 1 as score it is rejection sampling: RFT (Yuan et al., 2023, arXiv:2308.01825) takes every
    distinct correct completion, ReST-EM (Singh et al., 2023, arXiv:2312.06585) no more than ``at_most=10`` of a
    prompt. STaR (Zelikman et al., 2022, arXiv:2203.14465, algorithm 1) also takes completions that were drawn under a
    hint, for prompts that it did not solve without: give ``hinted``.

    Args:
        score: The score.
        threshold: What it must be at least.
        at_most: Candidates of a prompt, the best first; of equals, who is taken is drawn. All when left out.
        distinct: Whether equal completions of a prompt count once.
        hinted: A column of booleans, true where a hint helped: such a candidate counts only where no other of its
            prompt is accepted.
        weigh: Whether the ``weight`` is the score, or 1.
        truncated: Whether completions that were cut go (``drop``) or count like any other (``keep``).

    Requires ``group``, ``completion_ids``, ``finish``, the score and ``hinted``; provides ``weight``; one that is there
    stays a factor. Counts ``accepted``, ``below_threshold``, ``unneeded_hints``, ``duplicates``, ``over_limit`` (rows)
    and ``groups_without_sample``, beside ``abstained`` and ``truncated``, and measures ``yield`` (share of groups with
    a row), ``accepted_length`` and ``accepted_score``.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a score is infinite, ``hinted`` holds no booleans, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["1+1=2", "2", "3", "2"], **{"scores.correct": [1, 1, 0, 1]})
        >>> Accept()(table, Context(Pool([0], 1)))["text"].to_pylist()
        ['1+1=2', '2']
    """

    score: str = "scores.correct"
    threshold: float | Schedule = 0.5
    at_most: int | Schedule | None = None
    distinct: bool = True
    hinted: str | None = None
    weigh: bool = False
    truncated: Cut = "drop"

    def __post_init__(self) -> None:
        check_range("Accept(at_most)", self.at_most, 1)
        super().__post_init__()

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates, their score, and whether a hint helped."""
        return (*super().requires, *([self.hinted] if self.hinted else []))

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the accepted rows, in the order of the table."""
        score, tally = scores_of(table, self.score), context.tally
        keys = keys_of(table, "completion_ids") if self.distinct else None
        hinted = _booleans(table, self.hinted) if self.hinted else np.zeros(table.num_rows, dtype=bool)
        most = None if self.at_most is None else whole(self.at_most)
        taken = []
        for group in groups_of(table, context, self.name, score, self.truncated, keys=None):
            taken.append(_best(self._good(group, hinted, tally), score, keys, most, tally))
        return _accepted(table, taken, score, self.weigh, tally)

    def _good(self, group: Group, hinted: Array, tally: Tally) -> Array:
        """Return the rows of a group that pass, those under a hint only where there are no others."""
        good = group.score >= number(self.threshold)
        tally.count("below_threshold", int((~good).sum()))
        rows = group.rows[good]
        if hinted[rows].all():
            return rows
        tally.count("unneeded_hints", int(hinted[rows].sum()))
        return rows[~hinted[rows]]


@dataclass(frozen=True)
class TopCandidates(AcceptOp):
    """Keeps the best candidates of every prompt, to train on them as they are.

    With ``k=1`` it is best-of-n, as in RAFT (Dong et al., 2023, arXiv:2304.06767). Put ``TopK`` before it to take the
    best of all prompts together.

    Args:
        k: Candidates of a prompt; of equals, who is taken is drawn. Equal completions count once.
        score: The score.
        weigh: Whether the ``weight`` is the score, or 1.
        truncated: Whether completions that were cut go (``drop``) or count like any other (``keep``).

    Requires ``group``, ``completion_ids``, ``finish`` and the score; provides ``weight``; one that is there stays a
    factor. Counts ``accepted``, ``duplicates``, ``over_limit`` (rows) and ``groups_without_sample``, beside
    ``abstained`` and ``truncated``, and measures ``yield`` (share of groups with a row), ``accepted_length`` and
    ``accepted_score``.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a score is infinite, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["a", "b", "c"], **{"scores.reward": [0, 2, 1]})
        >>> TopCandidates()(table, Context(Pool([0], 1)))["text"].to_pylist()
        ['b']
    """

    k: int | Schedule = 1
    score: str = "scores.reward"
    weigh: bool = False
    truncated: Cut = "drop"

    def __post_init__(self) -> None:
        check_range("TopCandidates(k)", self.k, 1)
        super().__post_init__()

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the best rows, in the order of the table."""
        score, keys = scores_of(table, self.score), keys_of(table, "completion_ids")
        groups = groups_of(table, context, self.name, score, self.truncated, keys=None)
        taken = [_best(group.rows, score, keys, whole(self.k), context.tally) for group in groups]
        return _accepted(table, taken, score, self.weigh, context.tally)


def _best(rows: Array, score: Array, keys: Sequence[Any] | None, most: int | None, tally: Tally) -> Array:
    """Return the best of some rows, each completion once if there are keys, and at most so many."""
    rows = rows[np.argsort(-score[rows], kind="stable")]
    if keys is not None:
        again = repeats([keys[row] for row in rows.tolist()])
        tally.count("duplicates", int(again.sum()))
        rows = rows[~again]
    most = len(rows) if most is None else most
    tally.count("over_limit", max(0, len(rows) - most))
    return rows[:most]


def _accepted(table: pa.Table, taken: list[Array], score: Array, weigh: bool, tally: Tally) -> pa.Table:
    """Return the rows that were taken of every group, in the order of the table."""
    rows = np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *taken]))
    made = table.take(pa.array(rows)).drop_columns(["finish"])
    count_groups(tally, [len(group) for group in taken])
    count_samples(tally, "accepted", made, score[rows])
    return weighted(made, score[rows] if weigh else np.ones(len(rows)))


def count_groups(tally: Tally, rows: Sequence[int]) -> None:
    """Count the groups without a row, and measure the share of those that have one.

    Args:
        tally: Where to.
        rows: How many rows were made of every group.
    """
    has = np.array(rows, dtype=np.int64) > 0
    tally.count("groups_without_sample", int((~has).sum()))
    tally.mean("yield", has)


def count_samples(tally: Tally, name: str, made: pa.Table, score: Array) -> None:
    """Count the rows that a builder made, and measure their length and score.

    Args:
        tally: Where to.
        name: What they are called.
        made: The rows.
        score: Their scores, ``(rows,)``.
    """
    tally.count(name, made.num_rows)
    tally.mean(f"{name}_length", lengths_of(made, "completion_ids"))
    tally.mean(f"{name}_score", score)


def _booleans(table: pa.Table, name: str) -> Array:
    values = read(table, name)
    if values.dtype != bool:
        raise DataError(f"Column {name!r} has type {values.dtype}, but it says whether a hint helped. Give booleans.")
    return values
