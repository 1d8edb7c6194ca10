import math

import numpy as np
import pytest

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import ExponentialWeights, Linear, SoftWeights
from tests.ops.tables import check_empty, check_keeps_order, ids, random_table, run, table_of


def weigh(scores, **options):
    scores = np.asarray(scores, dtype=np.float64)
    table = table_of(np.full((len(scores), 2), 0.5), **{"scores.confidence": scores})
    return read(run(SoftWeights(**options), table), "weight")


def test_against_a_loop():
    options = {"scale": 3.0, "offset": -1.0, "low": 0.25, "high": 1.5, "power": 1.7}
    scores = np.linspace(-1, 2, 50)
    wanted = [min(max(3.0 * s - 1.0, 0.25), 1.5) ** 1.7 for s in scores.tolist()]
    np.testing.assert_allclose(weigh(scores, **options), wanted, rtol=1e-6)


def test_the_score_itself_by_default():
    assert weigh([0.0, 0.25, 1.0, 7.0, -2.0]).tolist() == [0.0, 0.25, 1.0, 1.0, 0.0]


def test_power_zero_is_one_for_all():
    assert weigh([0.0, 0.5, 1.0], power=0).tolist() == [1.0, 1.0, 1.0]


def test_nothing_is_dropped_and_the_type_is_float32():
    table = random_table()
    made = run(SoftWeights(offset=-5.0), table)
    assert ids(made) == ids(table)
    assert read(made, "weight").dtype == np.float32
    assert not read(made, "weight").any()


def test_replaces_a_weight():
    table = write(random_table(), weight=np.full(60, 9.0, dtype=np.float32))
    assert read(run(SoftWeights(), table), "weight").max() <= 1


def test_follows_a_schedule():
    table = table_of([[0.5, 0.5]], **{"scores.confidence": np.array([0.5])})
    op = SoftWeights(power=Linear(0.0, 2.0, rounds=2))
    assert [read(run(op, table, round), "weight")[0] for round in range(3)] == [1.0, 0.5, 0.25]


def test_a_bound_may_be_a_schedule_and_the_other_a_number():
    table = table_of([[0.5, 0.5]], **{"scores.confidence": np.array([0.9])})
    op = SoftWeights(low=0.3, high=Linear(0.3, 0.5, rounds=1))
    assert [read(run(op, table, round), "weight")[0] for round in range(2)] == pytest.approx([0.3, 0.5])
    with pytest.raises(PipelineError, match="Give a high"):
        SoftWeights(low=0.3, high=Linear(0.2, 0.5, rounds=1)).at(0, {})


def test_order_and_empty():
    check_keeps_order(SoftWeights())
    check_empty(SoftWeights())


def test_infinite_scores_are_clipped_and_nan_refused():
    assert weigh([np.inf, -np.inf]).tolist() == [1.0, 0.0]
    with pytest.raises(DataError, match="NaN"):
        weigh([np.nan])


@pytest.mark.parametrize("options", [{"low": -0.1}, {"power": -1.0}, {"low": 0.5, "high": 0.4}, {"high": float("nan")}])
def test_parameters_out_of_range(options):
    with pytest.raises(PipelineError, match="Give a"):
        SoftWeights(**options)


def exponential(scores, **options):
    scores = np.asarray(scores, dtype=np.float64)
    table = table_of(np.full((len(scores), 2), 0.5), **{"scores.reward": scores})
    return read(run(ExponentialWeights(**options), table), "weight")


def test_exponential_weights_against_a_loop():
    scores = np.linspace(-3, 3, 50)
    wanted = [min(math.exp((s - 0.5) / 0.7), 4.0) for s in scores.tolist()]
    np.testing.assert_allclose(exponential(scores, temperature=0.7, at_one=0.5, high=4.0), wanted, rtol=1e-6)
    assert exponential([1e6, -1e6], temperature=1e-3).tolist() == pytest.approx([20.0, 0.0])


def test_exponential_weights_refuse_what_weighs_nothing():
    with pytest.raises(PipelineError, match="temperature"):
        ExponentialWeights(temperature=0.0)
    with pytest.raises(PipelineError, match="high"):
        ExponentialWeights(high=0.0)
    with pytest.raises(DataError):
        exponential([np.nan])
