from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import write
from lit_iterative.ops import Context
from lit_iterative.ops.language.builders.given_pairs import GoldOwn
from lit_iterative.ops.language.builders.known_pairs import CorrectIncorrect
from lit_iterative.ops.language.builders.pairing import cross, strength
from lit_iterative.ops.language.testing import candidates
from lit_iterative.pool import Pool


@pytest.mark.parametrize("left", range(1, 7))
@pytest.mark.parametrize("right", range(1, 7))
def test_every_pair_comes_once_and_sides_are_used_about_equally(left, right):
    better, worse = np.arange(left), 10 + np.arange(right)
    pairs = cross(better, worse)
    assert sorted(pairs) == [(i, j) for i in better for j in worse]
    for at_most in range(1, left * right + 1):
        some = cross(better, worse, at_most)
        assert some == pairs[:at_most]
        for side, members in zip(zip(*some, strict=True), (better, worse), strict=True):
            used = [Counter(side)[member] for member in members]
            assert max(used) - min(used) <= 2 - (members is better)


def test_nothing_crosses_with_nothing():
    assert (
        cross(np.arange(0), np.arange(3))
        == cross(np.arange(3), np.arange(0))
        == cross(np.arange(0), np.arange(0), 2)
        == []
    )


def test_strengths():
    score, pairs = np.array([0.0, 4.0, 1.0, 1.0]), np.array([[1, 0], [1, 2], [3, 0]])
    assert strength(score, pairs, "none").tolist() == [1.0, 1.0, 1.0]
    assert strength(score, pairs, "gap").tolist() == [4.0, 3.0, 1.0]
    assert strength(score, pairs, "rank").tolist() == [1.0, 0.5, 0.5]
    assert strength(score, pairs[:0], "rank").tolist() == []


def masked() -> pa.Table:
    masks = pa.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], pa.list_(pa.float32()))
    return candidates(["a", "b", "c"], completion_mask=masks, **{"scores.correct": [1, 0, 0]})


def test_masks_go_with_their_sides():
    made = CorrectIncorrect()(masked(), Context(Pool([0], 1))).to_pylist()
    assert {(row["rejected"], *row["rejected_mask"]) for row in made} == {("b", 0, 1), ("c", 1, 1)}
    assert [row["chosen_mask"] for row in made] == [[1, 0], [1, 0]]
    assert "completion_mask" not in made[0]


@pytest.mark.parametrize("mask", [None, [[0.5, 1.0]] * 3])
def test_a_given_side_has_its_own_mask_or_none(mask):
    table = write(masked(), gold=pa.array(["g"] * 3), gold_ids=pa.array([[9, 2]] * 3))
    table = table if mask is None else write(table, gold_mask=pa.array(mask))
    (row,) = GoldOwn()(table, Context(Pool([0], 1))).to_pylist()
    assert row["chosen_mask"] == (None if mask is None else [0.5, 1.0])
    assert row["rejected_mask"] == {"a": [1, 0], "b": [0, 1], "c": [1, 1]}[row["rejected"]]
