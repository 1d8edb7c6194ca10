"""WinRate: who meets whom, and what comes of it."""

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.win_rate import WinRate
from lit_iterative.pool import Pool
from tests.ops.language.judging import Told, Whim

WHIM = Whim(["Verdict: A", "Verdict: B", "Verdict: tie", "?"])


def table(*groups):
    rows = [(number, text) for number, texts in enumerate(groups) for text in texts]
    ids = [number for number, _ in rows]
    return pa.table({"id": ids, "group": ids, "prompt": [f"p{i}" for i in ids], "text": [text for _, text in rows]})


def judged(op, given):
    context = Context(Pool([0] * 9, 1))
    return op(given, context)["scores.win_rate"].to_pylist(), context.tally.values()


def larger(texts, seed):
    return f"Verdict: {'A' if texts[1] > texts[2] else 'B'}"


def test_all_meet_all():
    rates, counts = judged(WinRate(Told(larger)), table("bca", "xy", "z"))
    assert rates[:5] == [0.5, 1.0, 0.0, 0.0, 1.0]
    assert math.isnan(rates[5])  # nobody to meet
    assert (counts["comparisons"], counts["judgements"], counts["judge_abstains"]) == (4, 8, 1)


def test_equal_texts_are_ties_without_being_asked():
    rates, counts = judged(WinRate(Told(larger)), table("aab", "cc"))
    assert rates == [0.25, 0.25, 1.0, 0.5, 0.5]
    assert counts["comparisons"] == 2


def test_what_the_judge_leaves_open_is_left_out():
    def shy(texts, seed):
        return None if "a" in texts[1:] else larger(texts, seed)

    rates, _ = judged(WinRate(Told(shy)), table("abc"))
    assert math.isnan(rates[0])
    assert rates[1:] == [0.0, 1.0]


@pytest.mark.parametrize(("opponents", "size"), [(1, 9), (2, 9), (3, 9), (4, 6), (2, 4), (8, 5), (3, 2)])
def test_everyone_meets_as_many(opponents, size):
    op, context = WinRate(WHIM, opponents=opponents), Context(Pool([0], 1))
    met = op._meetings(size, context, "g")
    degree = Counter(place for pair in met for place in pair)
    assert len(met) == len(set(met))
    assert all(one < other for one, other in met)
    assert set(degree.values()) == {min(size - 1, opponents + opponents % 2)}


def test_opponents_change_with_round_and_group():
    op = WinRate(WHIM, opponents=2)
    met = [op._meetings(12, Context(Pool([0], 1), round=r), g) for r, g in ((0, "a"), (0, "a"), (1, "a"), (0, "b"))]
    assert met[0] == met[1]
    assert met[0] != met[2]
    assert met[0] != met[3]


def test_rates_against_loops_by_hand():
    texts = [f"{x}" for x in np.random.default_rng(0).permutation(7)]
    rates, _ = judged(WinRate(Told(larger), opponents=4), table(texts))
    met = WinRate(WHIM, opponents=4)._meetings(7, Context(Pool([0], 1)), "0")
    for place, rate in enumerate(rates):
        others = [b if a == place else a for a, b in met if place in (a, b)]
        assert rate == sum(texts[place] > texts[other] for other in others) / len(others)


def test_no_opponents_are_refused():
    with pytest.raises(PipelineError, match="opponents"):
        WinRate(WHIM, opponents=0)
