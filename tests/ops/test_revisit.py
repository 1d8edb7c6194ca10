"""Samplers by what is remembered, against a dictionary."""

import math

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import read
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Context, Curriculum, Failures, Linear
from lit_iterative.pool import Pool

SCORE = "scores.confidence"
KNOWN = {4: 0.2, 9: 0.5, 1: 0.9, 2: None, 7: math.nan, 3: 1.0, 8: 0.0, 77: 0.3}  # 77 has left the pool


def ledger_of(known=KNOWN, kind=None) -> pa.Table:
    ids = list(known)
    return pa.table({"id": pa.array(ids, pa.int64()), SCORE: pa.array(list(known.values()), kind or pa.float32())})


def kept(op, ids=range(10), ledger=None) -> list[int]:
    context = Context(Pool(range(10), 1), ledger=ledger)
    return read(op(pa.table({"id": pa.array(ids, pa.int64())}), context), "id").tolist()


def known_of(id) -> float | None:
    value = KNOWN.get(id)
    return None if value is None or math.isnan(value) else float(np.float32(value))


@pytest.mark.parametrize("bound", [0.0, 0.2, 0.5, 0.95, 2.0])
@pytest.mark.parametrize("above", [False, True])
def test_failures_are_beyond_the_bound_or_unseen(bound, above):
    def fails(id):
        value = known_of(id)
        return value is None or (value > bound if above else value < bound)

    assert kept(Failures(bound, keep_above=above), ledger=ledger_of()) == [id for id in range(10) if fails(id)]


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.2, 0.9), (0.5, 0.6), (-1.0, 2.0)])
def test_a_curriculum_lies_between_the_bounds_or_is_unseen(low, high):
    def chosen(id):
        value = known_of(id)
        return value is None or low < value < high

    expected = [id for id in range(10) if chosen(id)]
    assert kept(Curriculum(low, high), ledger=ledger_of()) == expected


@pytest.mark.parametrize("op", [Failures(0.0), Curriculum()])
@pytest.mark.parametrize("ledger", [None, ledger_of({})])
def test_everything_is_unseen_at_first(op, ledger):
    assert kept(op, ledger=ledger) == list(range(10))


@pytest.mark.parametrize("op", [Failures(0.5), Curriculum()])
def test_edges(op):
    assert kept(op, ids=[], ledger=ledger_of()) == []
    assert kept(op, ids=[3], ledger=ledger_of()) == []
    assert kept(op, ids=[9, 4, 3, 2], ledger=ledger_of()) in ([4, 2], [9, 4, 2])  # in the order given


def test_names_are_ids_too_and_counts_are_scores():
    ledger = pa.table({"id": ["b", "c"], "solved": pa.array([0, 3], pa.int32())})
    context = Context(Pool(range(3), 1, ids=["a", "b", "c"]), ledger=ledger)
    result = Failures(1, column="solved")(pa.table({"id": ["a", "b", "c"]}), context)
    assert result["id"].to_pylist() == ["a", "b"]


@pytest.mark.parametrize("op", [Failures(0.5, column="scores.margin"), Curriculum(column="scores.margin")])
def test_a_column_that_is_not_remembered_is_named(op):
    with pytest.raises(DataError, match=r"Remember\(\['scores.margin'\]\)"):
        kept(op, ledger=ledger_of())


@pytest.mark.parametrize("op", [Failures(0.5), Curriculum()])
def test_a_column_that_is_no_number_is_refused(op):
    ledger = pa.table({"id": [1], SCORE: ["high"]})
    with pytest.raises(DataError, match="one number for each input"):
        kept(op, ledger=ledger)


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (1.0, 0.0), (math.nan, 1.0)])
def test_bounds_with_nothing_between_are_refused(low, high):
    with pytest.raises(PipelineError, match="low < high"):
        Curriculum(low, high)


def test_bounds_follow_schedules():
    way = Linear(0.0, 1.0, rounds=2)
    assert Failures(way).at(1, {}) == Failures(0.5)
    assert Curriculum(high=way).at(1, {}) == Curriculum(high=0.5)
    with pytest.raises(PipelineError, match="low < high"):
        Curriculum(high=way).at(0, {})
