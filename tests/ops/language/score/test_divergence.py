"""Divergence against sums over tokens, against the exact divergence of a small network, and in a run."""

import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from lit_iterative.callbacks import Rounds
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.generation.language import Sampling
from lit_iterative.modules.objective import Objective
from lit_iterative.ops.actors import EMA, Ensemble, Policy, Previous
from lit_iterative.ops.language import BestWorst, Divergence, Prompts, Sample
from lit_iterative.ops.language.testing import candidates
from lit_iterative.pool import Pool
from lit_iterative.rounds import Phase, When
from tests.ops.language.actors import ToldForward, told
from tests.projects.words import SAMPLING, Closeness, data, policy, trainer

TABLE = candidates(["ab", "c~", "", "~", "d"], [0, 0, 0, 0, 1])  # the fourth has no token at all


def live(prompt, completion, place):
    return -0.25 * (place + 1)


def initial(prompt, completion, place):
    return -1.0 - len(completion)


def test_sums_over_tokens_by_hand():
    of_row = [[1 + tokens - 0.25 * (place + 1) for place in range(tokens)] for tokens in (3, 1, 1, 0, 2)]
    context = told(live=live, initial=initial)
    assert Divergence(candidates=4)(TABLE, context) is TABLE
    measured = context.tally.values()
    assert measured["kl_initial"] == pytest.approx(sum(map(sum, of_row)) / 5)
    assert measured["kl_initial_per_token"] == pytest.approx(sum(map(sum, of_row)) / 7)


def test_the_first_candidates_are_scored():
    context = told(live=live, initial=initial)
    Divergence()(TABLE, context)
    assert context.tally.values()["kl_initial"] == pytest.approx(((4 - 0.25) + (4 - 0.5) + (4 - 0.75) + 5.25) / 2)


def test_another_actor_may_be_a_mixture():
    context = told(live=live, ema=initial)
    Divergence(Ensemble([Policy(), EMA()]), "kl_both")(candidates(["a"]), context)
    own, other = -0.75, -6.0
    wanted = own - math.log((math.exp(own) + math.exp(other)) / 2)
    assert context.tally.values()["kl_both"] == pytest.approx(wanted)


def test_the_estimate_has_no_bias():
    """Against the sum over all completions of up to two tokens, in float64."""
    torch.manual_seed(0)
    one, two = policy(), policy()
    for module in (one, two):
        module.configure_model()
        module.eval()
        for value in module.network.parameters():
            torch.nn.init.normal_(value, std=0.5)
    forward = ToldForward({None: one, "initial": two})
    context = told(Pool([{"prompt": "1+2="}] * 1500, 1))
    object.__setattr__(context, "forward", forward)
    prompts = Prompts()(pa.table({"id": np.arange(1500)}), context)
    Divergence()(Sample(1, Sampling(2))(prompts, context), context)
    wanted = exact(one, two, one.encode("1+2="), 2)
    assert wanted > 0.2
    assert context.tally.values()["kl_initial"] == pytest.approx(wanted, rel=0.1)


def exact(one, two, prompt, length):
    """Return the divergence of all completions of at most so many tokens."""

    def log_probs(module, ids):
        with torch.no_grad():
            return module.network(input_ids=torch.tensor([ids])).logits[0, -1].double().log_softmax(-1).tolist()

    p, q = (log_probs(module, prompt) for module in (one, two))
    total = sum(math.exp(a) * (a - b) for a, b in zip(p, q, strict=True))
    if length == 1:
        return total
    return total + sum(
        math.exp(p[token]) * exact(one, two, [*prompt, token], length - 1) for token in range(len(p)) if token != 2
    )


def test_a_run_moves_away_from_where_it_began(tmp_path):
    measures = [Divergence(candidates=4), Divergence(Previous(), "kl_previous", 4)]
    ops = [Prompts(["answer"]), Sample(4, SAMPLING), *measures, Closeness(), BestWorst()]
    callback = Rounds([Phase(ops)], When())
    trainer(tmp_path, [callback]).fit(policy(objective=Objective("simpo")), data(40))
    rounds = [version.manifest.metrics for version in callback.store.versions()]
    assert [rounds[0][name] for name in ("kl_initial", "kl_previous", "kl_initial_per_token")] == [0, 0, 0]
    assert rounds[1]["kl_initial"] == rounds[1]["kl_previous"] > 0
    assert rounds[2]["kl_initial"] > rounds[2]["kl_previous"] > 0


def test_numbers_that_make_no_sense_are_refused():
    with pytest.raises(PipelineError, match=r"Divergence\(candidates\) is 0"):
        Divergence(candidates=0)
    with pytest.raises(DataError, match="nan for .* Has training diverged"):
        Divergence()(TABLE, told(live=live, initial=lambda *_: math.nan))
