import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import ClassBalance, Steps
from lit_iterative.ops.balance import even_counts
from tests.ops.tables import by_id, check_empty, check_keeps_order, ids, random_table, run, table_of

ALL = [
    ClassBalance(),
    ClassBalance(at_most=3),
    ClassBalance(weigh=True),
    ClassBalance(at_most=3, weigh=True, prior=[4, 3, 2, 1], keep_above=False),
]


def labelled(labels, scores=None):
    scores = np.linspace(0, 1, len(labels)) if scores is None else scores
    table = table_of(np.full((len(labels), 2), 0.5), label=np.asarray(labels), **{"scores.confidence": scores})
    return table.drop_columns("probs")


def counts(table):
    return dict(Counter(read(table, "label").tolist()))


def largest_even(available, weights):
    """Try, in exact fractions, to use up one class after another; the largest scale that all can give is it."""
    present = [c for c, have in enumerate(available) if have]
    scales = [Fraction(available[c], weights[c]) for c in present]
    feasible = [t for t in scales if all(t * weights[c] <= available[c] for c in present)]
    return [math.floor(max(feasible) * w) if have else 0 for w, have in zip(weights, available, strict=True)]


@pytest.mark.parametrize("op", ALL, ids=str)
def test_order_and_empty(op):
    check_keeps_order(op)
    check_empty(op)


def test_equal_numbers_of_the_best():
    table = labelled([0, 0, 0, 1, 1, 2, 2, 2])
    assert ids(run(ClassBalance(classes="label"), table)) == [1, 2, 3, 4, 6, 7]
    assert ids(run(ClassBalance(classes="label", keep_above=False), table)) == [0, 1, 3, 4, 5, 6]


def test_ties_go_to_low_ids():
    assert ids(run(ClassBalance(classes="label"), labelled([0, 0, 0, 1], np.ones(4)))) == [0, 3]


@pytest.mark.parametrize("available", [[9, 5, 3], [4, 4, 4], [7, 0, 2], [1, 8, 8]])
@pytest.mark.parametrize("weights", [[1, 1, 1], [2, 1, 1], [1, 3, 6]])
def test_numbers_in_the_ratio_of_a_prior(available, weights):
    labels = np.repeat([0, 1, 2], available)
    made = run(ClassBalance(classes="label", prior=weights), labelled(labels))
    wanted = largest_even(available, weights)
    assert counts(made) == {c: n for c, n in enumerate(wanted) if n}


def test_rounding_loses_no_row():
    for classes in range(1, 40):
        for rows in (1, 3, 7, 10):
            assert even_counts(np.full(classes, rows), np.full(classes, 1 / classes)).tolist() == [rows] * classes


def test_absent_classes_are_passed_over():
    assert counts(run(ClassBalance(classes="label"), labelled([0, 0, 3, 3, 3]))) == {0: 2, 3: 2}
    assert counts(run(ClassBalance(classes="label", prior=[1, 1, 1, 1, 1]), labelled([0, 0, 3]))) == {0: 1, 3: 1}


def test_a_class_of_prior_zero_is_left_out():
    assert counts(run(ClassBalance(classes="label", prior=[1, 0, 1]), labelled([0, 0, 1, 2]))) == {0: 1, 2: 1}
    assert run(ClassBalance(classes="label", prior=[1, 0]), labelled([1, 1])).num_rows == 0


def test_at_most():
    table = labelled([0] * 6 + [1] * 3 + [2])
    assert counts(run(ClassBalance(classes="label", at_most=4), table)) == {0: 4, 1: 3, 2: 1}
    assert counts(run(ClassBalance(classes="label", at_most=4, prior=[2, 1, 1]), table)) == {0: 4, 1: 2, 2: 1}
    steps = ClassBalance(classes="label", at_most=Steps([1.0, 2.6]))
    assert [run(steps, table, round).num_rows for round in range(2)] == [3, 7]


def test_weights_balance_the_mass_of_classes():
    labels = [0] * 7 + [1] * 2 + [3]
    made = run(ClassBalance(classes="label", weigh=True, prior=[4, 3, 2, 1]), labelled(labels))
    weight, prior = read(made, "weight"), {0: 4, 1: 3, 3: 1}
    assert weight.dtype == np.float32
    for c, n in Counter(labels).items():
        wanted = prior[c] / sum(prior.values()) * len(labels) / n
        assert weight[read(made, "label") == c].tolist() == pytest.approx([wanted] * n)
    assert weight.mean() == pytest.approx(1.0)
    assert made.num_rows == len(labels)


def test_cut_and_weigh():
    table = labelled([0] * 6 + [1])
    made = run(ClassBalance(classes="label", at_most=3, weigh=True), table)
    assert ids(made) == [3, 4, 5, 6]
    assert read(made, "weight").tolist() == pytest.approx([2 / 3] * 3 + [2.0])


def test_most_probable_class_and_label_agree():
    table = random_table()
    assert by_id(run(ClassBalance(), table)) == by_id(run(ClassBalance(classes="label"), table))


def test_requires_what_it_needs():
    assert ClassBalance().requires == ("scores.confidence", "probs")
    assert ClassBalance(weigh=True).requires == ("probs",)
    assert ClassBalance(weigh=True).provides == ("weight",)
    assert ClassBalance().provides == ()


@pytest.mark.parametrize(
    "options", [{"at_most": 0}, {"prior": [0, 0]}, {"prior": [1, -1]}, {"prior": [float("nan")]}, {"prior": []}]
)
def test_bad_parameters(options):
    with pytest.raises(PipelineError, match="Give a"):
        ClassBalance(**options)


def test_a_prior_for_other_classes():
    with pytest.raises(DataError, match="3 numbers but there are 4 classes"):
        run(ClassBalance(prior=[1, 1, 1]), random_table())
    with pytest.raises(DataError, match="2 numbers but there are 3 classes"):
        run(ClassBalance(prior=[1, 1], classes="label"), labelled([0, 2]))


def test_no_mass_to_weigh():
    with pytest.raises(PipelineError, match=r"prior of zero for all classes that are there, \[1\]"):
        run(ClassBalance(weigh=True, prior=[1, 0], classes="label"), labelled([1, 1]))


def test_weights_ignore_a_score_that_is_not_there():
    table = labelled([0, 1, 1]).drop_columns("scores.confidence")
    assert run(ClassBalance(weigh=True, classes="label"), table).num_rows == 3
    with pytest.raises(DataError, match=r"scores\.confidence"):
        run(ClassBalance(classes="label"), write(table, other=np.zeros(3)))
