"""pass@k and majority@k against a count of all draws."""

import random
from itertools import combinations

import pytest

from lit_iterative.answers import Numeric, majority_at_k, majority_of_counts, pass_at_k
from lit_iterative.errors import DataError


def test_pass_at_k_is_the_share_of_draws_with_a_right_one() -> None:
    for n in range(1, 8):
        for c in range(n + 1):
            for k in range(1, n + 1):
                draws = list(combinations([True] * c + [False] * (n - c), k))
                share = sum(map(any, draws)) / len(draws)
                assert pass_at_k(n, c, k) == pytest.approx(share, abs=1e-12)


def test_pass_at_k_of_many_tries_is_finite() -> None:
    assert pass_at_k(10_000, 5_000, 5_000) == 1.0
    assert pass_at_k(10_000, 1, 100) == pytest.approx(0.01, rel=1e-9)


def majority_by_hand(counts: list[int], right: list[bool], k: int, silent: int) -> float:
    """The mean over all draws of the share of right answers among the most frequent."""
    tries = [answer for answer, count in enumerate(counts) for _ in range(count)] + [None] * silent
    total, draws = 0.0, 0
    for draw in combinations(tries, k):
        votes = {answer: draw.count(answer) for answer in draw if answer is not None}
        first = [answer for answer in votes if votes[answer] == max(votes.values())]
        total += sum(right[answer] for answer in first) / len(first) if first else 0.0
        draws += 1
    return total / draws


def test_majority_at_k_is_the_mean_over_all_draws() -> None:
    draw = random.Random(3)
    values = set()
    for _ in range(150):
        counts = [draw.randrange(4) for _ in range(draw.randrange(4))]
        silent = draw.randrange(3)
        n = sum(counts) + silent
        if n:
            right = [draw.random() < 0.5 for _ in counts]
            k = draw.randrange(1, n + 1)
            found = majority_of_counts(counts, right, k, silent)
            assert found == pytest.approx(majority_by_hand(counts, right, k, silent), abs=1e-12)
            values.add(round(found, 3))
    assert len(values) > 10


def test_majority_of_one_try_is_the_pass_rate() -> None:
    assert majority_of_counts([2, 3], [True, False], k=1, silent=3) == pytest.approx(2 / 8)


def test_majority_of_many_tries_is_fast() -> None:
    assert 0 < majority_of_counts([1] * 64, [True] + [False] * 63, k=64) == pytest.approx(1 / 64)


def test_majority_of_answers() -> None:
    found = ["0.5", "1/2", "2", None, "3"]
    assert majority_at_k(found, "50%", Numeric()) == 1.0
    assert majority_at_k(found, "50%", Numeric(), k=1) == pytest.approx(2 / 5)
    assert majority_at_k(found, "7", Numeric()) == 0.0
    assert majority_at_k([None, None], "7", Numeric()) == 0.0
    assert majority_at_k(found, "half", Numeric()) != majority_at_k(found, "half", Numeric())  # NaN


@pytest.mark.parametrize(("n", "c", "k"), [(4, 5, 1), (4, -1, 1), (4, 1, 0), (4, 1, 5), (0, 0, 0)])
def test_pass_at_k_refuses_what_is_not_defined(n: int, c: int, k: int) -> None:
    with pytest.raises(DataError, match=f"pass@{k} of {n} tries"):
        pass_at_k(n, c, k)


@pytest.mark.parametrize(
    ("counts", "right", "k", "silent"),
    [([1], [True], 2, 0), ([1], [True], 0, 0), ([-1, 3], [True] * 2, 1, 0), ([1], [], 1, 0)],
)
def test_majority_refuses_what_is_not_defined(counts: list[int], right: list[bool], k: int, silent: int) -> None:
    with pytest.raises(DataError, match="is not defined"):
        majority_of_counts(counts, right, k, silent)
