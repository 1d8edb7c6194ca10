"""Against naive loops."""

import math

import numpy as np
import pytest

from lit_iterative.rounds.diagnostics import class_counts, class_flow, confusion, reliability


def naive_bins(confidence, right, bins, low):
    """Sort rows into half-open bins ``(a, b]``, the first one closed, one row after another."""
    found = [[] for _ in range(bins)]
    for c, r in zip(confidence.tolist(), right.tolist(), strict=True):
        place = max(math.ceil((c - low) / ((1 - low) / bins)) - 1, 0)
        found[place].append((c, r))
    return found


@pytest.mark.parametrize(("bins", "low"), [(15, 0.0), (10, 0.5), (1, 0.0)])
def test_reliability_equals_a_loop(bins, low):
    draw = np.random.default_rng(0)
    confidence = low + (1 - low) * draw.random(400)
    right = draw.random(400) < confidence
    got = reliability(confidence, right, bins, low)
    error = 0.0
    for number, rows in enumerate(naive_bins(confidence, right, bins, low)):
        assert got.rows[number] == len(rows)
        if not rows:
            assert np.isnan(got.accuracy[number])
            assert np.isnan(got.confidence[number])
            continue
        accuracy, mean = sum(r for _, r in rows) / len(rows), sum(c for c, _ in rows) / len(rows)
        assert got.accuracy[number] == pytest.approx(accuracy, abs=1e-12)
        assert got.confidence[number] == pytest.approx(mean, abs=1e-12)
        error += len(rows) / 400 * abs(accuracy - mean)
    assert got.calibration_error == pytest.approx(error, abs=1e-12)
    assert got.total_accuracy == pytest.approx(right.mean(), abs=1e-12)
    assert got.total_confidence == pytest.approx(confidence.mean(), abs=1e-12)
    assert got.edges[0] == low
    assert got.edges[-1] == 1


def test_reliability_puts_a_bound_into_the_lower_bin_and_the_ends_inside():
    got = reliability(np.array([0.0, 0.5, 1.0]), np.array([True, False, True]), bins=2)
    assert got.rows.tolist() == [2, 1]
    assert got.accuracy.tolist() == [0.5, 1.0]


def test_reliability_of_nothing_is_unknown_and_warns_of_nothing():
    got = reliability(np.zeros(0), np.zeros(0, dtype=bool))
    assert got.rows.sum() == 0
    assert math.isnan(got.calibration_error)
    assert math.isnan(got.total_accuracy)


def test_reliability_of_one_row():
    got = reliability(np.array([0.9], dtype=np.float32), np.array([True]))
    assert got.calibration_error == pytest.approx(0.1)


def test_confusion_equals_a_loop_and_leaves_unknown_truth_out():
    draw = np.random.default_rng(1)
    truth, labels = draw.integers(-1, 4, 300), draw.integers(0, 4, 300)
    expected = np.zeros((5, 5), dtype=int)
    for t, label in zip(truth, labels, strict=True):
        if t >= 0:
            expected[t, label] += 1
    assert confusion(truth, labels, classes=5).tolist() == expected.tolist()


@pytest.mark.parametrize("classes", [1, 2])
def test_confusion_of_few_classes_and_rows(classes):
    assert confusion(np.zeros(0, dtype=int), np.zeros(0, dtype=int), classes).sum() == 0
    assert confusion(np.array([0, -1]), np.array([0, 0]), classes)[0, 0] == 1


def test_class_counts_equal_a_loop():
    labels = np.array([3, -1, 0, 3])
    assert class_counts(labels, 5).tolist() == [sum(int(label) == c for label in labels) for c in range(5)]
    assert class_counts(np.zeros(0, dtype=int), 2).tolist() == [0, 0]


@pytest.mark.parametrize("kind", [int, str])
def test_class_flow_equals_a_loop(kind):
    draw = np.random.default_rng(2)
    ids, old_ids = (draw.choice(200, 90, replace=False) for _ in range(2))
    labels, old = draw.integers(0, 4, 90), draw.integers(0, 4, 90)
    now, before = dict(zip(ids, labels, strict=True)), dict(zip(old_ids, old, strict=True))
    expected = np.zeros((5, 5), dtype=int)
    for key in now.keys() | before.keys():
        expected[before.get(key, 4), now.get(key, 4)] += 1
    got = class_flow(ids.astype(kind), labels, old_ids.astype(kind), old, classes=4)
    assert got.tolist() == expected.tolist()
    assert got[4, 4] == 0


def test_class_flow_from_and_to_nothing():
    none = np.zeros(0, dtype=int)
    some = np.array([4, 7])
    assert class_flow(some, np.array([0, 1]), none, none, 2).tolist() == [[0, 0, 0], [0, 0, 0], [1, 1, 0]]
    assert class_flow(none, none, some, np.array([0, 0]), 2).tolist() == [[0, 0, 2], [0, 0, 0], [0, 0, 0]]
