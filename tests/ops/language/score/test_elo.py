"""Elo: ratings against an oracle that climbs the likelihood step by step."""

import math

import numpy as np
import pytest

from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.elo import PRIOR, Elo, ratings
from lit_iterative.pool import Pool
from tests.ops.language.judging import Told
from tests.ops.language.score.test_win_rate import larger, table


def climbed(players, games):
    """Gradient ascent on the log-likelihood, prior games included, one player after another."""
    rating = [0.0] * players
    for _ in range(20_000):
        slopes = [PRIOR * (0.5 - 1 / (1 + math.exp(-rating[player]))) for player in range(players)]
        for one, other, share in games:
            chance = 1 / (1 + math.exp(rating[other] - rating[one]))
            slopes[one] += share - chance
            slopes[other] -= share - chance
        rating = [value + 0.1 * slope for value, slope in zip(rating, slopes, strict=True)]
    mean = sum(rating) / players
    return [(value - mean) * 400 / math.log(10) for value in rating]


@pytest.mark.parametrize(
    "games",
    [
        [(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0)],
        [(0, 1, 0.9), (1, 2, 0.8), (0, 2, 0.1)],
        [(0, 1, 0.5), (1, 2, 0.5), (0, 2, 0.5)],
        [(0, 1, 1.0), (0, 1, 0.0), (1, 2, 0.75)],
    ],
)
def test_ratings_are_the_most_likely_ones(games):
    np.testing.assert_allclose(ratings(3, games), climbed(3, games), atol=1e-3)


def test_whom_one_beats_counts():
    """0 and 3 have one win and one defeat each, but 0 has won against the better one."""
    games = [(0, 1, 1.0), (0, 2, 0.0), (3, 2, 1.0), (3, 1, 0.0), (1, 2, 1.0)]
    made = ratings(4, games)
    assert made[0] > made[3]


def test_ratings_of_completions():
    context = Context(Pool([0] * 9, 1))
    made = Elo(Told(larger))(table("bca", "xx", "z"), context)["scores.elo"].to_pylist()
    assert made[1] > made[0] > made[2]
    assert made[1] + made[0] + made[2] == pytest.approx(0, abs=1e-6)
    assert made[3:5] == [0.0, 0.0]
    assert math.isnan(made[5])
    counts = context.tally.values()
    assert (counts["comparisons"], counts["judge_abstains"]) == (3, 1)
