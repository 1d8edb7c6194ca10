"""Pairs on which several scores agree, against a comparison of all with all."""

import math
from itertools import combinations

import numpy as np
import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.ops import Context
from lit_iterative.ops.language.builders.agreed_pairs import AgreedPairs, mean_ranks
from lit_iterative.ops.language.testing import candidates
from lit_iterative.pool import Pool

TWO = ["scores.implicit", "scores.judge"]
NAN = math.nan


def context() -> Context:
    return Context(Pool(range(20), 4))


def test_one_score_agrees_with_nothing():
    with pytest.raises(PipelineError, match="at least two"):
        AgreedPairs(["scores.judge"])


def by_hand(texts, first, second):
    """All pairs of different texts that both scores order alike."""
    rows = range(len(texts))
    return {(texts[i], texts[j]) for i in rows for j in rows if first[i] > first[j] and second[i] > second[j]}


@pytest.mark.parametrize("seed", range(5))
def test_all_agreed_pairs_and_no_other(seed):
    draw = np.random.default_rng(seed)
    texts = list("abcdef")
    first, second = draw.integers(0, 4, size=(2, 6)).astype(float)
    told = context()
    made = AgreedPairs(TWO)(candidates(texts, **{TWO[0]: first, TWO[1]: second}), told)
    found = list(zip(made["chosen"].to_pylist(), made["rejected"].to_pylist(), strict=True))
    wanted = by_hand(texts, first, second)
    assert len(found) == len(wanted)
    assert set(found) == wanted
    opposed = sum((first[i] - first[j]) * (second[i] - second[j]) < 0 for i, j in combinations(range(6), 2))
    ordered = sum(first[i] != first[j] or second[i] != second[j] for i, j in combinations(range(6), 2))
    assert told.tally.values()["disagreements"] == opposed
    assert told.tally.values()["agreement"] == pytest.approx(len(wanted) / ordered)


def test_the_widest_pair_is_taken():
    table = candidates(["a", "b", "c", "d~"], **{TWO[0]: [1, 2, 3, 4], TWO[1]: [0, 1, 5, 9]})
    made = AgreedPairs(TWO, at_most=1)(table, context())
    assert made.select(["chosen", "rejected", "chosen_score", "rejected_score", "weight"]).to_pylist() == [
        {"chosen": "c", "rejected": "a", "chosen_score": pytest.approx(2 / 3), "rejected_score": 0.0, "weight": 1.0}
    ]
    kept = AgreedPairs(TWO, at_most=1, truncated="keep")(table, context())
    assert kept["chosen"].to_pylist() == ["d"]


def test_ranks_of_rows_without_a_score():
    ranks = mean_ranks(np.array([[1.0, NAN, 2.0], [3.0, 4.0, 5.0]]), [(0, 3)])
    np.testing.assert_array_equal(ranks, [0.0, NAN, 1.0])
