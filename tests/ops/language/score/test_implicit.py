"""Implicit rewards against sums over tokens; the fitted price of a token against a search over a fine grid."""

import math

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Context
from lit_iterative.ops.language.score.implicit import EvenLengths, ImplicitReward
from lit_iterative.ops.language.testing import candidates
from lit_iterative.pool import Pool
from tests.ops.language.actors import told

SCORE = "scores.implicit"


def test_reward():
    table = candidates(["ab", "c~"])
    context = told(live=lambda prompt, completion, place: -0.5 * place, initial=lambda *_: -1.0)
    made = read(ImplicitReward(beta=0.2, length_penalty=0.25)(table, context), SCORE)
    wanted = [0.2 * ((0 - 0.5 - 1.0) + 3.0) - 0.25 * 3, 0.2 * (0 + 1.0) - 0.25]
    np.testing.assert_allclose(made, wanted, rtol=1e-12)
    assert context.tally.values()["implicit_reward"] == pytest.approx(sum(wanted) / 2)


def test_the_reference_itself_is_rewarded_nothing():
    same = lambda prompt, completion, place: -0.3 * (place + 1)  # noqa: E731
    assert not read(ImplicitReward()(candidates(["ab", "c"]), told(live=same, initial=same)), SCORE).any()


def test_parameters():
    with pytest.raises(PipelineError, match=r"beta.* is 0"):
        ImplicitReward(beta=0)
    with pytest.raises(PipelineError, match=r"length_penalty.* is -1"):
        ImplicitReward(length_penalty=-1)


def gap(rows, alpha):
    """The mean over prompts of the length of the best minus that of the worst."""
    gaps = []
    for group in {row[0] for row in rows}:
        mine = [(score - alpha * length, length) for key, score, length in rows if key == group]
        best = min(length for value, length in mine if value == max(mine)[0])
        worst = max(length for value, length in mine if value == min(mine)[0])
        gaps.append(best - worst)
    return sum(gaps) / len(gaps)


@pytest.mark.parametrize("seed", range(4))
def test_no_price_on_a_fine_grid_is_better(seed):
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, 30, size=60)
    group = np.repeat(np.arange(10), 6)
    score = 0.05 * lengths + draw.normal(size=60)  # long ones are liked
    table = candidates(["x" * int(length - 1) for length in lengths], group.tolist(), **{SCORE: score})
    context = Context(Pool(range(10), 1))
    made = read(EvenLengths()(table, context), SCORE)
    measured = context.tally.values()
    rows = list(zip(group.tolist(), score.tolist(), lengths.tolist(), strict=True))
    alpha = measured["length_penalty"]
    np.testing.assert_array_equal(made, score - alpha * lengths)
    assert measured["length_gap_before"] == pytest.approx(gap(rows, 0.0))
    assert measured["length_gap"] == pytest.approx(gap(rows, alpha))
    finer = [abs(gap(rows, step / 2000)) for step in range(2000)]
    assert abs(measured["length_gap"]) <= min(finer)
    lower = [step for step in range(2000) if step / 2000 < alpha - 1e-9]
    assert all(finer[step] > abs(measured["length_gap"]) for step in lower)  # none that is lower is as good


def test_short_ones_are_not_made_to_pay():
    table = candidates(["a", "bbb"], **{SCORE: [1, 0]})
    context = Context(Pool([0], 1))
    assert read(EvenLengths()(table, context), SCORE).tolist() == [1, 0]
    assert context.tally.values()["length_penalty"] == 0


def test_of_two_gaps_that_are_as_large_the_one_with_the_lower_price_is_taken():
    context = Context(Pool([0], 1))
    EvenLengths()(candidates(["aa", "b"], **{SCORE: [1, 0]}), context)  # a gap of 1, or of -1 from a price of 1 on
    assert context.tally.values() == {"length_penalty": 0.0, "length_gap_before": 1.0, "length_gap": 1.0}


def test_abstaining_scores_stay_out():
    known = candidates(["aaaa", "b", "cc", "dddd"], [0, 0, 1, 1], **{SCORE: [4, 1, 1, 2]})
    more = candidates(["e" * 50, "f"], [0, 2], **{SCORE: [math.nan, math.nan]})
    both = pa.concat_tables([known, more])
    wanted = read(EvenLengths()(known, Context(Pool(range(3), 1))), SCORE)
    np.testing.assert_array_equal(read(EvenLengths()(both, Context(Pool(range(3), 1))), SCORE)[:4], wanted)


def test_all_abstain():
    context = Context(Pool([0], 1))
    assert np.isnan(read(EvenLengths()(candidates(["a"], **{SCORE: [math.nan]}), context), SCORE)).all()
    assert context.tally.values() == {}


def test_infinite_scores_are_refused():
    table = write(candidates(["a", "b"], **{SCORE: [1, 2]}), **{SCORE: np.array([1.0, np.inf])})
    with pytest.raises(DataError, match="infinite in 1 of 2 rows"):
        EvenLengths()(table, Context(Pool([0], 1)))
