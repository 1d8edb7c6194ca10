from collections import Counter

import numpy as np
import pytest

from lit_iterative.ops.language.pairing import cross, strength


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
