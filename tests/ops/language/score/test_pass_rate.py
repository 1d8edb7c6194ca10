"""PassRate against means taken one group after another."""

import math

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.answers import Numeric, majority_at_k, pass_at_k
from lit_iterative.ops import Context
from lit_iterative.ops.language.score.pass_rate import PassRate
from lit_iterative.ops.language.score.verify import Verify
from lit_iterative.ops.language.score.vote import SelfConsistency
from lit_iterative.pool import Pool

NAN = math.nan


def rate(groups: list[str], correct: list[float]) -> tuple[list[float], dict[str, float]]:
    context = Context(Pool([0], 1))
    table = pa.table({"id": groups, "group": groups, "scores.correct": pa.array(correct, pa.float64())})
    return PassRate()(table, context).column("pass_rate").to_pylist(), context.tally.values()


def test_rates_by_hand() -> None:
    rates, measured = rate(["a"] * 3 + ["b"] * 2 + ["c"], [1.0, 0.0, NAN, 0.0, 0.0, NAN])
    assert rates[:5] == [0.5, 0.5, 0.5, 0.0, 0.0]
    assert math.isnan(rates[5])
    assert measured == {"pass_rate": 0.25, "pass_at_k": 0.5}


def test_pass_at_k_is_the_estimate_at_all_tries() -> None:
    draw = np.random.default_rng(5)
    correct = draw.integers(0, 2, size=(20, 4)).astype(float) * (draw.random((20, 1)) < 0.7)
    groups = [f"g{row}" for row in range(20) for _ in range(4)]
    _, measured = rate(groups, correct.reshape(-1).tolist())
    wanted = [pass_at_k(4, int(sum(row)), 4) for row in correct.tolist()]
    assert measured["pass_at_k"] == pytest.approx(sum(wanted) / 20)
    assert 0 < measured["pass_at_k"] < 1


@pytest.mark.parametrize("seed", range(5))
def test_majority_at_k_is_the_exact_chance_at_all_tries(seed: int) -> None:
    """Against the answers themselves; of the third prompt there is no key."""
    draw = np.random.default_rng(seed)
    finals = [[None if one == "0" else one for one in draw.integers(0, 4, 5).astype(str)] for _ in range(20)]
    answers = [None if prompt == 2 else "1" for prompt in range(20)]
    flat = [(prompt, final, answers[prompt]) for prompt in range(20) for final in finals[prompt]]
    names, said, keys = zip(*flat, strict=True)
    table = pa.table({"id": names, "group": names, "final": said, "answer": keys})
    context = Context(Pool([0], 1))
    PassRate()(Verify()(SelfConsistency()(table, context), context), context)
    wanted = [majority_at_k(found, key, Numeric()) for found, key in zip(finals, answers, strict=True) if key]
    assert context.tally.values()["majority_at_k"] == pytest.approx(sum(wanted) / 19)
    assert len(set(wanted)) > 2


def test_no_rows() -> None:
    assert rate([], []) == ([], {})
