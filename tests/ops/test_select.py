import math

import numpy as np
import pytest

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import FlexMatch, Linear, Quantile, Steps, Threshold, TopK
from lit_iterative.ops.select import ceil_share
from tests.ops.tables import check_empty, check_keeps_order, ids, random_table, run, table_of

ALL = [Threshold(0.6), Quantile(0.3), Quantile(0.3, keep_above=False), TopK(7), TopK(3, per_class=True)]


def scored(scores, ids=None, probs=None):
    probs = np.full((len(scores), 2), 0.5) if probs is None else probs
    return write(table_of(probs, ids), **{"scores.confidence": np.asarray(scores)})


def best_by_loop(rows, count, largest):
    """Take the best remaining row, by score and then id, again and again."""
    rest, taken = list(rows), []
    while rest and len(taken) < count:
        best = rest[0]
        for row in rest[1:]:
            better = row[1] > best[1] if largest else row[1] < best[1]
            if better or (row[1] == best[1] and row[0] < best[0]):
                best = row
        rest.remove(best)
        taken.append(best[0])
    return set(taken)


def rows_of(table):
    return list(zip(ids(table), read(table, "scores.confidence").tolist(), strict=True))


@pytest.mark.parametrize("op", ALL, ids=str)
def test_order_of_rows_does_not_matter(op):
    check_keeps_order(op)


@pytest.mark.parametrize("op", ALL, ids=str)
def test_empty(op):
    check_empty(op)


def test_threshold_keeps_the_bound_itself_in_the_precision_of_the_score():
    table = scored(np.array([0.95, 0.9499, 0.96], dtype=np.float32))
    assert ids(run(Threshold(0.95), table)) == [0, 2]
    assert ids(run(Threshold(0.95, keep_above=False), table)) == [0, 1]


def test_threshold_follows_a_schedule():
    table = scored([0.2, 0.5, 0.8])
    assert [run(Threshold(Linear(0.1, 0.9, rounds=2)), table, round).num_rows for round in range(3)] == [3, 2, 0]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.25, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("largest", [True, False])
def test_quantile_is_the_best_share(share, largest):
    table = random_table(rows=41)
    kept = run(Quantile(share, keep_above=largest), table)
    assert set(ids(kept)) == best_by_loop(rows_of(table), math.ceil(share * 41), largest)


def test_quantile_of_ties_takes_low_ids():
    assert ids(run(Quantile(0.5), scored([0.7, 0.7, 0.7, 0.7], ids=[9, 3, 7, 1]))) == [3, 1]


def test_quantile_forgives_rounding_of_the_product():
    assert 0.07 * 100 > 7
    assert ceil_share(0.07, 100) == 7
    assert ceil_share(1e-9, 10) == 1
    assert all(ceil_share(k / 1000, 1000) == k for k in range(1001))


@pytest.mark.parametrize("k", [0, 1, 7, 60, 1000])
@pytest.mark.parametrize("largest", [True, False])
def test_top_k(k, largest):
    table = random_table()
    assert set(ids(run(TopK(k, keep_above=largest), table))) == best_by_loop(rows_of(table), k, largest)


@pytest.mark.parametrize("k", [0, 1, 5, 1000])
@pytest.mark.parametrize("classes", ["probs", "label"])
def test_top_k_of_each_class(k, classes):
    table = random_table()
    label, wanted = read(table, "label").tolist(), set()
    for c in set(label):
        wanted |= best_by_loop([row for row, own in zip(rows_of(table), label, strict=True) if own == c], k, True)
    assert set(ids(run(TopK(k, per_class=True, classes=classes), table))) == wanted


def test_top_k_rounds_a_schedule():
    table = random_table()
    assert [run(TopK(Steps([1.4, 2.5, 3.0])), table, round).num_rows for round in range(3)] == [1, 3, 3]


def test_candidates_of_one_input_are_told_apart_by_their_rows():
    assert read(run(TopK(2), scored([0.5, 0.5, 0.5], ids=[4, 4, 4])), "row").tolist() == [0, 1]


def test_integer_and_infinite_scores():
    assert ids(run(TopK(1), scored(np.array([3, 9, 4])))) == [1]
    assert ids(run(TopK(1), scored(np.array([True, False, True]), ids=[5, 6, 4]))) == [4]
    assert ids(run(TopK(2), scored([-np.inf, 0.0, np.inf]))) == [1, 2]


def test_requires_what_it_needs():
    assert TopK(1).requires == ("scores.confidence",)
    assert TopK(1, per_class=True).requires == ("scores.confidence", "probs")


@pytest.mark.parametrize("op", [Threshold(0.1), Quantile(0.5), TopK(1)], ids=str)
def test_nan_is_refused(op):
    with pytest.raises(DataError, match=r"NaN in 1 of 3 rows, for example ids \[1\]"):
        run(op, scored([0.1, np.nan, 0.3]))


def test_a_score_is_one_number_a_row():
    with pytest.raises(DataError, match="one number a row"):
        run(TopK(1, column="probs"), random_table())


def test_bad_labels_are_refused():
    table = write(random_table(), label=np.full(60, -1))
    with pytest.raises(DataError, match="whole numbers from 0 on"):
        run(TopK(1, per_class=True, classes="label"), table)


def test_probabilities_are_vectors_without_nan():
    with pytest.raises(DataError, match=r"\(rows, classes\)"):
        run(FlexMatch(), write(random_table(), probs=np.zeros(60)))
    with pytest.raises(DataError, match="NaN in 1 of 2 rows"):
        run(FlexMatch(), table_of([[0.5, 0.5], [np.nan, 1.0]]))


@pytest.mark.parametrize("make", [lambda: Quantile(1.1), lambda: Quantile(-0.1), lambda: TopK(-1)])
def test_parameters_out_of_range(make):
    with pytest.raises(PipelineError, match="Give a number from 0"):
        make()


def test_a_schedule_is_checked_when_it_is_resolved():
    with pytest.raises(PipelineError, match=r"Quantile\(share\) is 1.5"):
        Quantile(Steps([0.5, 1.5])).at(1, {})


def test_a_schedule_must_be_resolved():
    with pytest.raises(PipelineError, match="knows no round"):
        TopK(Steps([1.0]))(random_table(), None)
