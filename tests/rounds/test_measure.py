import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import classes_of, write
from lit_iterative.pool import Pool
from lit_iterative.rounds.measure import flip_rate, measure


def table(ids, labels, **columns):
    return write(pa.table({"id": np.asarray(ids)}), label=np.asarray(labels), **columns)


def naive_calibration_error(confidence, right, bins=15):
    total = 0.0
    for b in range(bins):
        members = [i for i, c in enumerate(confidence) if b / bins < c <= (b + 1) / bins]
        if members:
            accuracy = sum(right[i] for i in members) / len(members)
            total += len(members) / len(confidence) * abs(accuracy - sum(confidence[i] for i in members) / len(members))
    return total


def test_all_numbers_against_loops():
    draw = np.random.default_rng(0)
    ids, labels, truth = draw.permutation(100)[:40], draw.integers(0, 3, 40), draw.integers(-1, 3, 100)
    confidence = draw.uniform(0.34, 1, 40).astype(np.float32)
    old = table(draw.permutation(100)[:50], draw.integers(0, 3, 50))
    new = table(ids, labels, weight=np.full(40, 0.5, np.float32), **{"scores.confidence": confidence})
    found = measure(new, old, Pool(list(range(100)), 1, truth=truth))
    known = [i for i in range(40) if truth[ids[i]] >= 0]
    right = [int(labels[i] == truth[ids[i]]) for i in known]
    before = dict(zip(old["id"].to_pylist(), old["label"].to_pylist(), strict=True))
    both = [i for i in range(40) if int(ids[i]) in before]
    assert found["rows"] == 40
    assert found["coverage"] == 0.4
    assert found["label_counts"] == [sum(labels == c) for c in range(3)]
    assert found["label_accuracy"] == pytest.approx(sum(right) / len(known))
    assert found["flip_rate"] == pytest.approx(sum(labels[i] != before[int(ids[i])] for i in both) / len(both))
    assert found["confidence"] == pytest.approx(float(np.mean(confidence, dtype=np.float64)))
    assert found["mean_weight"] == 0.5
    assert found["calibration_error"] == pytest.approx(naive_calibration_error(confidence[known], right), abs=1e-6)


def test_without_rows_only_the_counts_are_known():
    assert measure(table([], np.zeros(0, int)), None, Pool([1, 2], 1)) == {"rows": 0, "coverage": 0.0, "new_inputs": 0}


def test_new_inputs_had_no_row_before():
    old = table([1, 1, 2], [0, 1, 1])
    assert measure(table([2, 3, 3, 4], [1, 0, 0, 1]), old, Pool(range(5), 1))["new_inputs"] == 2
    assert measure(table([2, 3, 3, 4], [1, 0, 0, 1]), None, Pool(range(5), 1))["new_inputs"] == 3


def test_inputs_that_left_the_pool_are_no_coverage():
    assert measure(table([0, 1, 7, 8], [0, 0, 1, 1]), None, Pool([1, 2, 3], 1))["coverage"] == 2 / 3


def test_soft_labels_count_by_their_largest_part():
    soft = write(pa.table({"id": [0, 1]}), label=np.array([[0.9, 0.1], [0.2, 0.8]]))
    assert classes_of(soft).tolist() == [0, 1]
    assert measure(soft, None, Pool([1, 2], 1, truth=[0, 0]))["label_accuracy"] == 0.5


def test_rounds_without_common_inputs_have_no_flip_rate():
    new = table([1], [0])
    assert flip_rate(new, np.array([0]), table([2], [0])) is None
    assert flip_rate(new, np.array([0]), None) is None


def test_unknown_truth_is_not_counted():
    assert "label_accuracy" not in measure(table([0], [1]), None, Pool([1], 1, truth=[-1]))
