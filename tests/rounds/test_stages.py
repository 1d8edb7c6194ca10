import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.ops import Confidence, FromMetric, HardLabels, Predict, SameRound, Steered, Threshold
from lit_iterative.ops.op import Op
from lit_iterative.rounds.stages import cut_points, reshard, stages
from tests.projects.ops import Halve


def names(ops: list[Op]) -> list[list[str]]:
    return [[op.name for op in stage.ops] for stage in stages(ops)]


def test_stages_are_cut_around_global_ops_and_before_the_model():
    ops = [Halve(), Predict(), Confidence(), Halve(), Halve(), Threshold(0.5), HardLabels(), Predict()]
    assert names(ops) == [
        ["Halve"], ["Predict", "Confidence"], ["Halve"], ["Halve"], ["Threshold", "HardLabels"], ["Predict"]
    ]  # fmt: skip
    assert [stage.first for stage in stages(ops)] == [0, 1, 3, 4, 5, 7]


def test_stages_are_cut_before_an_op_that_waits_for_what_is_measured_before_it():
    waiting = Threshold(Steered("threshold", SameRound(FromMetric("round/seen"))))
    assert names([Predict(), Confidence(), waiting, HardLabels()]) == [
        ["Predict", "Confidence"], ["Threshold", "HardLabels"]
    ]  # fmt: skip


@pytest.mark.parametrize("rows", [0, 1, 5, 8, 9])
@pytest.mark.parametrize("size", [1, 3, 8])
def test_cuts_cover_every_row_once(rows, size):
    spans = cut_points(rows, size)
    assert [row for start, end in spans for row in range(start, end)] == list(range(rows))
    assert all(0 < end - start <= size for start, end in spans)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_cuts_never_part_a_group(size):
    group = np.array([5, 5, 5, 2, 9, 9, 9, 9, 1, 1])
    spans = cut_points(len(group), size, group)
    assert [row for start, end in spans for row in range(start, end)] == list(range(len(group)))
    for _, end in spans[:-1]:
        assert group[end - 1] != group[end]


def test_reshard_joins_and_cuts_and_leaves_at_least_one():
    parts = [pa.table({"id": np.arange(n)}) for n in (1, 0, 4)]
    assert [t.num_rows for t in reshard(parts, 2)] == [2, 2, 1]
    assert [t.num_rows for t in reshard([parts[1]], 2)] == [0]
