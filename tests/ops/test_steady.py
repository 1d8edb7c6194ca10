"""A mean that is held where it was."""

from itertools import combinations

import numpy as np
import pytest

from lit_iterative.columns import read
from lit_iterative.ops import Context, SteadyMean
from lit_iterative.ops.testing import example

GAP = "scores.gap"


def kept(scores, target=None, memory=None):
    context = Context(pool=None, memory={} if memory is None else memory)
    made = SteadyMean(GAP, target)(example(**{GAP: scores}), context)
    return read(made, GAP).tolist(), context


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("target", [-0.5123, 0.0123, 0.4123])
def test_as_many_stay_as_can(seed, target):
    scores = np.random.default_rng(seed).normal(size=7).round(2)
    found, context = kept(scores, target)
    low = bool(scores.mean() < target)
    fits = [
        size
        for size in range(1, 8)
        for some in combinations(scores, size)
        if (np.mean(some) >= target if low else np.mean(some) <= target)
    ]
    assert len(found) == max(fits, default=1)
    assert sorted(found) == pytest.approx(sorted(sorted(scores, reverse=low)[: len(found)]))
    counts = context.tally.values()
    assert (counts["too_low"], counts["too_high"]) == ((7 - len(found), 0) if low else (0, 7 - len(found)))
    assert counts["steady_mean"] == pytest.approx(np.mean(found))


def test_the_first_round_sets_the_target_and_later_ones_hold_it():
    memory = {}
    assert kept([1.0, 2.0, 3.0], memory=memory)[0] == [1.0, 2.0, 3.0]
    assert memory == {"target": 2.0}
    assert kept([0.0, 1.0, 2.0, 3.0], memory=memory)[0] == [1.0, 2.0, 3.0]
    assert kept([1.0, 2.0, 3.0, 9.0], memory=memory)[0] == [1.0, 2.0, 3.0]
    assert memory == {"target": 2.0}


def test_one_row_stays_where_no_mean_is_near():
    assert kept([0.0, 1.0], 5.0)[0] == [1.0]
    assert kept([0.0, 1.0], -5.0)[0] == [0.0]


def test_a_round_without_rows_sets_no_target():
    memory = {}
    kept([], memory=memory)
    assert memory == {}
