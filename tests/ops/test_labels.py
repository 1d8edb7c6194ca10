"""Label builders against the formulas written out in float64."""

import math

import numpy as np
import pytest

from lit_iterative.columns import read
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import HardLabels, Linear, Sharpen, SmoothLabels, SoftLabels
from lit_iterative.ops.testing import example


def probs_of(rows, classes=4, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.5), rows).astype(np.float32)


@pytest.mark.parametrize("rows", [0, 1, 30])
def test_hard_labels_are_the_first_of_the_most_probable_classes(rows):
    probs = probs_of(rows)
    table = HardLabels()(example(id=np.arange(rows), probs=probs), None)
    label = read(table, "label")
    assert label.dtype == np.int64
    assert label.tolist() == [row.index(max(row)) for row in probs.tolist()]
    assert read(table, "weight").tolist() == [1.0] * rows
    assert HardLabels()(example(probs=[[0.2, 0.4, 0.4]]), None)["label"].to_pylist() == [1]


@pytest.mark.parametrize("rows", [0, 1, 30])
def test_soft_labels_are_the_probabilities(rows):
    probs = probs_of(rows)
    table = SoftLabels()(example(id=np.arange(rows), probs=probs), None)
    assert read(table, "label").dtype == np.float32
    np.testing.assert_array_equal(read(table, "label"), probs)
    assert read(table, "weight").dtype == np.float32


@pytest.mark.parametrize("kind", [HardLabels, SoftLabels])
def test_predictions_are_consumed_unless_they_are_kept(kind):
    table = example(probs=[[0.5, 0.5]], logits=[[0.0, 0.0]], members=[[0.5] * 4], **{"scores.margin": [0.0]})
    assert kind()(table, None).column_names == ["id", "scores.margin", "label", "weight"]
    kept = kind(keep_probs=True)(table, None)
    assert kept.column_names == [*table.column_names, "label", "weight"]
    assert kind(keep_probs=True).consumes == ()


@pytest.mark.parametrize("kind", [HardLabels, SoftLabels])
def test_a_weight_that_is_there_stays(kind):
    table = kind()(example(probs=[[0.5, 0.5]], weight=[0.25]), None)
    assert read(table, "weight").tolist() == [0.25]


@pytest.mark.parametrize("temperature", [0.3, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("rows", [1, 30])
def test_sharpened_probabilities_follow_the_formula(temperature, rows):
    probs = probs_of(rows)
    expected = []
    for row in probs.tolist():
        powers = [p ** (1 / temperature) for p in row]
        expected.append([power / sum(powers) for power in powers])
    result = read(Sharpen(temperature)(example(probs=probs), None), "probs")
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=2e-7, atol=1e-12)


def test_sharpening_holds_at_the_ends():
    probs = [[0.6, 0.4, 0.0], [1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [1e-30, 1e-35, 0.0]]
    with np.errstate(all="raise"):
        result = read(Sharpen(1e-300)(example(probs=probs), None), "probs")
        assert result.tolist() == [[1, 0, 0], [1, 0, 0], [0.5, 0.5, 0], [1, 0, 0]]
        warm = read(Sharpen(1e300)(example(probs=probs), None), "probs")
    np.testing.assert_allclose(warm[0], [0.5, 0.5, 0.0])
    assert np.isfinite(read(Sharpen(0.01)(example(probs=probs_of(200)), None), "probs")).all()


def test_a_probability_just_below_zero_sharpens_to_zero():
    result = read(Sharpen(0.5)(example(probs=[[-1e-4, 0.5, 0.5]]), None), "probs")
    assert result.tolist() == [[0.0, 0.5, 0.5]]


def test_sharpening_nothing_gives_nothing():
    table = example(id=np.arange(0), probs=probs_of(0))
    assert Sharpen()(table, None).schema == table.schema


def test_sharpening_refuses_rows_without_probability():
    with pytest.raises(DataError, match=r"1 of 2 rows .* id 7"):
        Sharpen()(example(id=[3, 7], probs=[[0.5, 0.5], [0.0, 0.0]]), None)


@pytest.mark.parametrize("temperature", [0.0, -0.5, math.nan])
def test_sharpening_refuses_a_temperature_that_is_not_above_zero(temperature):
    with pytest.raises(PipelineError, match="temperature"):
        Sharpen(temperature)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0])
def test_smoothed_hard_labels_follow_the_formula(epsilon):
    labels = [2, 0, 3]
    result = read(SmoothLabels(epsilon, classes=4)(example(label=labels), None), "label")
    expected = [[(1 - epsilon) * (c == label) + epsilon / 4 for c in range(4)] for label in labels]
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-7)


@pytest.mark.parametrize("classes", [None, 4])
def test_smoothed_soft_labels_follow_the_formula(classes):
    probs = probs_of(20)
    result = read(SmoothLabels(0.2, classes)(example(label=probs), None), "label")
    expected = [[0.8 * p + 0.2 / 4 for p in row] for row in probs.tolist()]
    np.testing.assert_allclose(result, expected, rtol=2e-7)


@pytest.mark.parametrize("label", [np.zeros(0, dtype=np.int64), probs_of(0)])
def test_smoothing_nothing_gives_the_type_of_soft_labels(label):
    table = SmoothLabels(0.1, classes=4)(example(id=np.arange(0), label=label), None)
    assert table.schema == SmoothLabels(0.1, 4)(example(label=[1]), None).schema


def test_smoothing_refuses_labels_that_do_not_fit():
    with pytest.raises(DataError, match="number of classes from hard labels"):
        SmoothLabels()(example(label=[1]), None)
    with pytest.raises(DataError, match=r"2 of 3 labels .* 0 to 2, for example \[3, -1\]"):
        SmoothLabels(classes=3)(example(label=[3, 0, -1]), None)
    with pytest.raises(DataError, match="classes=3, but the labels have 4"):
        SmoothLabels(classes=3)(example(label=probs_of(1)), None)


@pytest.mark.parametrize("arguments", [{"epsilon": -0.1}, {"epsilon": 1.1}, {"epsilon": math.nan}, {"classes": 1}])
def test_smoothing_refuses_parameters_out_of_range(arguments):
    with pytest.raises(PipelineError, match=next(iter(arguments))):
        SmoothLabels(**arguments)


def test_parameters_follow_schedules():
    probs = example(probs=probs_of(5))
    cooling = Sharpen(Linear(1.0, 0.5, rounds=2)).at(2, {})
    np.testing.assert_array_equal(read(cooling(probs, None), "probs"), read(Sharpen(0.5)(probs, None), "probs"))
    smoothing = SmoothLabels(Linear(0.0, 0.2, rounds=1), classes=2).at(1, {})
    np.testing.assert_allclose(read(smoothing(example(label=[0]), None), "label"), [[0.9, 0.1]], rtol=1e-6)
    with pytest.raises(PipelineError, match="temperature"):
        Sharpen(Linear(1.0, 0.0, rounds=1)).at(1, {})
