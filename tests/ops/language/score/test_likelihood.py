"""Likelihood, self-certainty and entropy against sums over tokens, and against a real network's logits."""

import math

import numpy as np
import pytest
import torch

from lit_iterative.columns import read
from lit_iterative.errors import DataError
from lit_iterative.ops import EMA, Ensemble, Policy
from lit_iterative.ops.language.score.likelihood import Likelihood, SelfCertainty, TokenEntropy
from lit_iterative.ops.language.score.scoring import mixed
from lit_iterative.ops.language.testing import candidates
from tests.ops.language.actors import ToldForward, told
from tests.projects.words import policy

TABLE = candidates(["ab", "c~", "", "~"])  # the last has no token at all


def live(prompt, completion, place):
    return -0.25 * (place + 1) - 0.5 * len(prompt)


def ema(prompt, completion, place):
    return -1.0


def test_sum_and_mean():
    start = len(TABLE["prompt_ids"][0])
    sums = [sum(-0.25 * (place + 1) - 0.5 * start for place in range(tokens)) for tokens in (3, 1, 1, 0)]
    context = told(live=live)
    made = Likelihood()(TABLE, context)
    assert read(made, "scores.likelihood").tolist() == sums
    assert context.tally.values()["likelihood"] == pytest.approx(sum(sums) / 4)
    mean = read(Likelihood(normalise=True)(TABLE, told(live=live)), "scores.likelihood")
    np.testing.assert_allclose(mean, [sums[0] / 3, sums[1], sums[2], math.nan], rtol=1e-12)


def test_members_count_as_a_mixture():
    made = Likelihood(actor=Ensemble([Policy(), EMA()]))(TABLE, told(live=live, ema=ema))
    start = len(TABLE["prompt_ids"][0])
    one = sum(-0.25 * (place + 1) - 0.5 * start for place in range(3))
    wanted = math.log((math.exp(one) + math.exp(-3.0)) / 2)
    assert read(made, "scores.likelihood")[0] == pytest.approx(wanted, rel=1e-12)


def test_mixtures_do_not_underflow():
    sums = np.array([[-2000.0], [-2001.0]])
    assert mixed(sums, "arithmetic")[0] == pytest.approx(-2000 + math.log((1 + math.exp(-1)) / 2))
    assert mixed(sums, "geometric")[0] == -2000.5


def test_means_over_tokens_and_members():
    context = told(live=live, ema=ema)
    both = Ensemble([Policy(), EMA()])
    entropy = read(TokenEntropy(both)(TABLE, context), "scores.token_entropy")
    certainty = read(SelfCertainty(both)(TABLE, context), "scores.self_certainty")
    start = len(TABLE["prompt_ids"][0])
    first = (np.mean([0.25 * (place + 1) + 0.5 * start for place in range(3)]) + 1.0) / 2
    assert entropy[0] == pytest.approx(first)
    np.testing.assert_allclose(certainty, 2 * entropy)
    assert np.isnan([entropy[3], certainty[3]]).all()
    assert context.tally.values()["token_entropy"] == pytest.approx(np.nanmean(entropy))


@pytest.mark.parametrize("op", [Likelihood(), SelfCertainty()], ids=repr)
def test_a_policy_that_diverged_is_told(op):
    with pytest.raises(DataError, match="nan for 3 of .* Has training diverged"):
        op(TABLE, told(live=lambda *_: math.nan))


def test_a_real_network():
    module = policy()
    module.configure_model()
    module.eval()
    table = candidates(["1", "12"])
    prompts, answers = [module.encode("1+2="), module.encode("3+4=")], [[5, 2], [6, 7, 8]]
    table = table.set_column(4, "prompt_ids", [prompts]).drop_columns("completion_ids")
    table = table.append_column("completion_ids", [answers])
    context = told()
    object.__setattr__(context, "forward", ToldForward({None: module}))
    score = {name: read(op(table, context), f"scores.{name}") for name, op in (
        ("likelihood", Likelihood()), ("self_certainty", SelfCertainty()), ("token_entropy", TokenEntropy())
    )}  # fmt: skip
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        with torch.no_grad():
            logits = module.network(torch.tensor([prompt + answer])).logits[0].double().numpy()
        likelihood, certainty, entropy = 0.0, 0.0, 0.0
        for place, token in enumerate(answer, start=len(prompt) - 1):
            weights = [math.exp(value) for value in logits[place]]
            probs = [weight / sum(weights) for weight in weights]
            likelihood += math.log(probs[token])
            certainty -= sum(math.log(len(probs) * prob) for prob in probs) / len(probs)
            entropy -= sum(prob * math.log(prob) for prob in probs)
        wanted = (likelihood, certainty / len(answer), entropy / len(answer))
        found = (score["likelihood"][row], score["self_certainty"][row], score["token_entropy"][row])
        assert found == pytest.approx(wanted, rel=1e-4)
