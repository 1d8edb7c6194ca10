"""Diverse candidates against a plain search, and outliers."""

from itertools import combinations

import numpy as np
import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.ops import Context
from lit_iterative.ops.language.select.diverse import DiverseCandidates, distances, outlying, spread
from lit_iterative.ops.language.testing import candidates
from lit_iterative.pool import Pool

NAN = float("nan")


def context():
    return Context(Pool([0], 1))


def test_right_and_wrong_are_selected_by_themselves():
    texts = ["aaaa", "aaab", "zzzz", "bbbb", "bbbc", "yyyy", "?"]
    table = candidates(texts, **{"scores.correct": [1, 1, 1, 0, 0, 0, NAN]})
    asked = context()
    kept = DiverseCandidates(2, n=2)(table, asked)["text"].to_pylist()
    assert kept == ["aaaa", "zzzz", "bbbb", "yyyy"] or kept == ["aaab", "zzzz", "bbbc", "yyyy"]
    counted = asked.tally.values()
    assert {name: counted[name] for name in ("abstained", "outliers", "too_alike")} == {
        "abstained": 1,
        "outliers": 0,
        "too_alike": 2,
    }
    assert counted["distance"] == pytest.approx(1 - 1 / 7) or counted["distance"] > 0.8


def test_prompts_do_not_mix():
    table = candidates(["a", "b", "a", "b"], [0, 0, 1, 1], **{"scores.correct": [1] * 4})
    assert DiverseCandidates(1)(table, context())["group"].to_pylist() == [0, 1]


def test_an_outlier_goes_before_anything_is_taken():
    texts = ["12345678", "12345679", "12345670", "12345671", "12345672", "abcdefgh"]
    table = candidates(texts, **{"scores.correct": [1] * 6})
    asked = context()
    kept = DiverseCandidates(6)(table, asked)["text"].to_pylist()
    assert kept == texts[:-1]
    assert asked.tally.values()["outliers"] == 1
    few = DiverseCandidates(6)(table.slice(2), context())["text"].to_pylist()
    assert few == texts[2:], "of four nothing is an outlier"


def test_distances_are_those_of_jaccard():
    sets = [{"a", "b", "c"}, {"b", "c", "d"}, {"e"}, {"a", "b", "c"}]
    between = distances(sets)
    for left, right in combinations(range(4), 2):
        both, either = sets[left] & sets[right], sets[left] | sets[right]
        assert between[left, right] == between[right, left] == pytest.approx(1 - len(both) / len(either))
    assert not between.diagonal().any()


def test_the_spread_is_that_of_a_plain_search():
    points = np.random.default_rng(3).normal(size=(9, 2))
    between = np.linalg.norm(points[:, None] - points[None], axis=2)
    taken = [min(range(9), key=lambda row: sum(between[row]))]
    while len(taken) < 5:
        rest = [row for row in range(9) if row not in taken]
        taken.append(max(rest, key=lambda row: min(between[row][other] for other in taken)))
    assert spread(between, 5).tolist() == taken
    assert sorted(spread(between, 20).tolist()) == list(range(9))
    assert spread(np.zeros((0, 0)), 3).tolist() == []


def test_outliers_by_the_definition():
    points = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 50.0])
    between = np.abs(points[:, None] - points[None])
    means = [sum(row) / 5 for row in between.tolist()]
    bound = np.mean(means) + 2 * np.std(means)
    assert outlying(between, 2.0).tolist() == [mean > bound for mean in means] == [False] * 5 + [True]
    assert not outlying(np.ones((6, 6)) - np.eye(6), 1.0).any(), "equally far are none"


@pytest.mark.parametrize("options", [{"k": 0}, {"n": 0}, {"outliers": 0.0}])
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises(PipelineError):
        DiverseCandidates(**options)
