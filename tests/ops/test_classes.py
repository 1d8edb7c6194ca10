import numpy as np
import pytest

from lit_iterative.columns import write
from lit_iterative.errors import DataError
from lit_iterative.ops.classes import class_count, prior_of, read_classes
from tests.ops.tables import random_table, table_of


def test_the_first_of_equal_classes():
    assert read_classes(table_of([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]]), "probs").tolist() == [0, 1]


def test_number_of_classes():
    table = random_table(classes=4)
    assert class_count(table, "probs", read_classes(table, "probs")) == 4
    unseen = table_of([[0.9, 0.1, 0.0]])
    assert class_count(unseen, "probs", read_classes(unseen, "probs")) == 3
    low = write(table, label=np.full(60, 1))
    assert class_count(low, "label", read_classes(low, "label")) == 2
    assert class_count(low.slice(0, 0), "label", np.zeros(0, dtype=np.int64)) == 0


def test_a_prior_is_scaled():
    assert prior_of([2, 6], 2).tolist() == [0.25, 0.75]
    assert prior_of(None, 4).tolist() == [0.25] * 4
    with pytest.raises(DataError, match="2 numbers but there are 3 classes"):
        prior_of([1, 1], 3)


def test_fractions_are_no_classes():
    with pytest.raises(DataError, match="whole numbers"):
        read_classes(table_of([[0.5, 0.5]], label=np.array([1.0])), "label")
