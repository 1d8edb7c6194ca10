"""Kendall's tau against a count over pairs; preferences for the soft loss."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch

from lit_iterative.callbacks import Rounds
from lit_iterative.columns import read, write
from lit_iterative.errors import PipelineError
from lit_iterative.losses.batch import PairLogProbs
from lit_iterative.losses.table import find_loss
from lit_iterative.modules.objective import Objective
from lit_iterative.ops import Context, Previous
from lit_iterative.ops.language.builders.pairs import BestWorst
from lit_iterative.ops.language.builders.reference import ReferenceLogProbs
from lit_iterative.ops.language.propose.prompts import Prompts
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.language.score.consistency import ConsistencyPreference, RankConsistency, tau
from lit_iterative.ops.language.score.implicit import EvenLengths, ImplicitReward
from lit_iterative.ops.language.testing import candidates
from lit_iterative.pool import Pool
from lit_iterative.rounds.plan import Phase, When
from lit_iterative.testing import candidates as plain
from tests.projects.words import SAMPLING, data, policy, trainer

TWO = ["scores.implicit", "scores.judge"]
NAN = math.nan


def context() -> Context:
    return Context(Pool(range(20), 4))


def tau_b(first, second):
    """Count concordant and discordant pairs one by one."""
    concordant = discordant = left = right = 0
    for i, j in combinations(range(len(first)), 2):
        a, b = first[i] - first[j], second[i] - second[j]
        left += a != 0
        right += b != 0
        concordant += a * b > 0
        discordant += a * b < 0
    return (concordant - discordant) / math.sqrt(left * right) if left * right else NAN


@pytest.mark.parametrize("seed", range(20))
def test_tau(seed):
    draw = np.random.default_rng(seed)
    first, second = draw.integers(0, 4 if seed % 2 else 1000, size=(2, draw.integers(0, 9))).astype(float)
    assert tau(first, second) == pytest.approx(tau_b(first, second), abs=1e-12, nan_ok=True)


def test_consistency_of_each_group():
    columns = {TWO[0]: [3, 2, 1, 1, 2, 5, 5], TWO[1]: [3, 1, 2, 4, 3, 1, 2]}
    table = candidates(["a", "b", "c", "d", "e", "f", "g"], [0, 0, 0, 1, 1, 2, 2], **columns)
    told = context()
    made = read(RankConsistency(TWO)(table, told), "scores.consistency")
    wanted = [(tau_b([3, 2, 1], [3, 1, 2]) + 1) / 2] * 3 + [0.0] * 2 + [NAN] * 2
    np.testing.assert_allclose(made, wanted)
    assert told.tally.values() == {"consistency_unknown": 1, "consistency": pytest.approx((wanted[0] + 0) / 2)}


def test_equal_completions_count_once_and_abstaining_ones_not_at_all():
    columns = {TWO[0]: [1, 2, 1, 9], TWO[1]: [5, 6, 7, NAN]}
    made = read(RankConsistency(TWO)(candidates(["a", "b", "a", "c"], **columns), context()), "scores.consistency")
    assert made.tolist() == [1.0] * 4


def test_three_scores_are_compared_two_by_two():
    names = [*TWO, "scores.reward"]
    values = [[1, 2, 3], [1, 3, 2], [3, 2, 1]]
    table = candidates(["a", "b", "c"], **dict(zip(names, values, strict=True)))
    wanted = np.mean([(tau_b(*two) + 1) / 2 for two in combinations(values, 2)])
    assert read(RankConsistency(names)(table, context()), "scores.consistency")[0] == pytest.approx(wanted)


def test_one_score_agrees_with_nothing():
    with pytest.raises(PipelineError, match="at least two"):
        RankConsistency(["scores.judge"])
    with pytest.raises(PipelineError, match="different"):
        RankConsistency(["scores.judge", "scores.judge"])


def test_unknown_everywhere_is_plain_dpo():
    table = write(plain(rows=3), **{"scores.consistency": np.full(3, NAN)})
    for average in (True, False):
        told = context()
        assert read(ConsistencyPreference(average)(table, told), "preference").tolist() == [1.0] * 3
        assert told.tally.values()["consistency_unknown"] == 3


def test_the_soft_loss_of_the_preference_is_the_loss_of_the_paper():
    """C dpo(w, l) + (1 - C) dpo(l, w)."""
    share, beta = 0.7, 0.3
    sides = [torch.tensor([value], dtype=torch.float64) for value in (-3.0, -5.0, -4.0, -4.5)]
    chosen, rejected, ref_chosen, ref_rejected = sides
    tokens = torch.ones(1, dtype=torch.float64)
    preference = torch.tensor([share], dtype=torch.float64)
    pairs = PairLogProbs(chosen, rejected, tokens, tokens, ref_chosen, ref_rejected, preference=preference)
    delta = (-3.0 + 4.0) - (-5.0 + 4.5)
    wanted = -share * math.log(1 / (1 + math.exp(-beta * delta))) - (1 - share) * math.log(
        1 / (1 + math.exp(beta * delta))
    )
    assert find_loss("soft_dpo", {"beta": beta})(pairs).item() == pytest.approx(wanted)


def test_rewards_of_two_iterates_in_a_fit(tmp_path):
    ops = [
        Prompts(),
        Sample(4, SAMPLING),
        ImplicitReward(),
        ImplicitReward(actor=Previous(), score="previous"),
        EvenLengths(),
        RankConsistency(["scores.implicit", "scores.previous"]),
        BestWorst("scores.implicit", truncated="keep"),
        ConsistencyPreference(),
        ReferenceLogProbs(),
    ]
    torch.manual_seed(0)  # the order of the examples
    callback = Rounds([Phase(ops)], When(1, 1), shard_size=5)
    run = trainer(tmp_path, [callback], max_epochs=4)
    run.fit(policy(objective=Objective("soft_dpo", {"beta": 0.1})), data(12))
    metrics = [version.manifest.metrics for version in callback.store.versions()]
    assert metrics[0]["length_gap_before"] != metrics[0]["length_gap"] or metrics[0]["length_penalty"] == 0
    for version, measured in zip(callback.store.versions(), metrics, strict=True):
        (preference,) = set(version.table()["preference"].to_pylist())  # the mean for all
        assert preference == pytest.approx(measured["preference"], rel=1e-6)
    assert 0 <= metrics[1]["consistency"] < 1  # by then the iterates differ
    assert torch.isfinite(run.callback_metrics["train_loss"])
