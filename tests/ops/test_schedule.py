"""Schedules, and how ops take their values."""

import math
from itertools import pairwise

import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.ops import Append, Cosine, FromMetric, Linear, Predict, Schedule, Steps, Threshold
from lit_iterative.ops.op import resolve


@pytest.mark.parametrize(("start", "end"), [(0.2, 0.9), (1.0, -1.0), (0.5, 0.5)])
@pytest.mark.parametrize("rounds", [1, 4])
def test_linear_takes_equal_steps_and_stays(start, end, rounds):
    values = [Linear(start, end, rounds)(round, {}) for round in range(rounds + 3)]
    expected = [start + (end - start) * round / rounds for round in range(rounds)] + [end] * 3
    assert values == pytest.approx(expected)
    assert (values[0], values[-1]) == pytest.approx((start, end))


@pytest.mark.parametrize("rounds", [1, 5])
def test_cosine_follows_half_a_wave_and_stays(rounds):
    values = [Cosine(2.0, 1.0, rounds)(round, {}) for round in range(rounds + 3)]
    expected = [1.5 + 0.5 * math.cos(math.pi * round / rounds) for round in range(rounds)] + [1.0] * 3
    assert values == pytest.approx(expected)


def test_cosine_is_slow_at_both_ends():
    values = [Cosine(0.0, 1.0, rounds=10)(round, {}) for round in range(11)]
    steps = [after - before for before, after in pairwise(values)]
    assert max(steps) == pytest.approx(steps[4])
    assert steps[0] < steps[4] > steps[-1]


def test_steps_give_a_value_for_each_round():
    assert [Steps([3.0, 1.0, 2.0])(round, {}) for round in range(5)] == [3.0, 1.0, 2.0, 2.0, 2.0]


def test_a_metric_is_scaled_shifted_and_held():
    schedule = FromMetric("acc", scale=2.0, offset=-0.5, low=0.1, high=0.9)
    assert [schedule(0, {"acc": value, "other": 9.0}) for value in (0.0, 0.5, 1.0)] == [0.1, 0.5, 0.9]
    assert FromMetric("acc")(7, {"acc": -3.0}) == -3.0


def test_an_unknown_metric_names_those_that_are_known():
    with pytest.raises(PipelineError, match=r"'acc', but only \['a', 'b'\] are known"):
        FromMetric("acc")(0, {"b": 1.0, "a": 1.0})


@pytest.mark.parametrize("kind", [Linear, Cosine])
@pytest.mark.parametrize("rounds", [0, -1])
def test_a_way_of_no_rounds_is_refused(kind, rounds):
    with pytest.raises(PipelineError, match=f"{rounds} rounds"):
        kind(0.0, 1.0, rounds)


def test_steps_without_values_are_refused():
    with pytest.raises(PipelineError, match="no values"):
        Steps([])


def test_an_op_is_given_the_value_of_the_round():
    op = Threshold(Linear(0.5, 0.9, rounds=2), column="scores.margin")
    assert op.at(1, {}) == Threshold(0.7, column="scores.margin")
    assert isinstance(op.value, Schedule)  # the op itself is unchanged


def test_an_op_without_schedules_stays_the_same_object():
    op = Predict()
    assert op.at(3, {}) is op


def test_schedules_are_found_in_lists_and_tuples():
    parts = [Threshold(Steps([0.1, 0.2])), (Append(Steps([4, 2])), "name")]
    assert resolve(parts, 1, {}) == [Threshold(0.2), (Append(2), "name")]


def test_bounds_are_checked_when_the_value_is_known():
    late = Append(Steps([1, 0]))
    assert resolve(late, 0, {}) == Append(1)
    with pytest.raises(PipelineError, match="max_age"):
        resolve(late, 1, {})
