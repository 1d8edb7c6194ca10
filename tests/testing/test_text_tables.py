"""Checks on tables of completions: what is empty or NaN in the table of a case may be so."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import read, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.testing import ConformanceError, OpCase, check_op, completions
from lit_iterative.testing.op_values import check_empty_cells, check_extreme_values, check_nan

SCORE = "scores.mine"


@dataclass(frozen=True)
class Answered(Op):
    """Tells whether there is an answer.

    Example:
        >>> Answered().name
        'Answered'
    """

    @property
    def requires(self) -> tuple[str, ...]:
        return ("final",)

    @property
    def provides(self) -> tuple[str, ...]:
        return ("answered",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        if "final" not in table.column_names:
            read(table, "final")
        return write(table, answered=table.column("final").is_valid())


@dataclass(frozen=True)
class GroupMean(Op):
    """The mean score of a group; who abstains does not count.

    Example:
        >>> GroupMean().name
        'GroupMean'
    """

    scope: ClassVar[Scope] = "group"

    @property
    def requires(self) -> tuple[str, ...]:
        return ("group", SCORE)

    @property
    def provides(self) -> tuple[str, ...]:
        return ("mean",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        group, score = read(table, "group"), read(table, SCORE)
        known = {g: score[(group == g) & ~np.isnan(score)] for g in np.unique(group)}
        means = [known[g].mean() if len(known[g]) else np.nan for g in group]
        return write(table, mean=np.array(means, dtype=np.float64))


def abstaining() -> pa.Table:
    table = completions([SCORE])
    score = read(table, SCORE).copy()
    score[:6] = np.nan  # a group that abstains as a whole, and half of another
    return write(table, **{SCORE: score})


def test_empty_answers_are_an_ordinary_sight() -> None:
    assert completions().column("final").null_count == 4
    check_op(Answered())


def test_an_empty_answer_where_the_table_has_none_is_not() -> None:
    table = completions()
    full = write(table, final=table.column("final").fill_null("7"))
    with pytest.raises(ConformanceError, match="'final' is empty"):
        check_empty_cells(OpCase(Answered(), full))


@dataclass(frozen=True)
class Abstains(Answered):
    """Scores an answer, and abstains where there is none."""

    provides = ("scores.length",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        lengths = [np.nan if final is None else len(final) for final in table.column("final").to_pylist()]
        return write(table, **{"scores.length": np.array(lengths, dtype=np.float64)})


def test_an_empty_answer_may_stay_visible() -> None:
    table = completions()
    check_empty_cells(OpCase(Abstains(), write(table, final=table.column("final").fill_null("7"))))


def test_abstaining_scores_are_an_ordinary_sight() -> None:
    check_op(GroupMean(), abstaining())


def test_nan_where_the_table_has_none_is_not() -> None:
    with pytest.raises(ConformanceError, match=r"'scores\.mine' is NaN"):
        check_nan(OpCase(GroupMean(), completions([SCORE])))


@dataclass(frozen=True)
class Odds(GroupMean):
    """Divides by what is left to 1."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        with np.errstate(divide="ignore"):
            return write(table, mean=read(table, SCORE) / (1.0 - read(table, SCORE)))


def test_infinity_is_never_ordinary() -> None:
    with pytest.raises(ConformanceError, match="NaN or infinity in 'mean'"):
        check_extreme_values(OpCase(Odds(), abstaining()))


def test_completions_are_what_they_say() -> None:
    table = completions(["scores.a", "pass_rate"])
    assert "scores.a" in table.column_names
    assert "pass_rate" not in table.column_names
    finals = table.column("final").to_pylist()
    assert len(set(finals[:4])) == 1
    assert len(set(finals[4:8])) == 4
    for row in table.to_pylist():
        assert row["id"] == row["group"]
        assert (row["final"] is None) == (row["finish"] == "length")
        assert row["final"] is None or row["text"].endswith(f"#### {row['final']}")
