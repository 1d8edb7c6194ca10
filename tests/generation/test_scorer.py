"""The scorer says what a plain pass over prompt and completion says, and what the policy says."""

import numpy as np
import pytest
import torch

from lit_iterative.errors import DataError
from lit_iterative.generation import scorer
from lit_iterative.generation.language import Sampling, Target
from lit_iterative.generation.sampler import Sampler
from lit_iterative.generation.scorer import Scorer
from tests.generation.models import VOCABULARY, asked, exact, model, prompts, target
from tests.projects.networks import network
from tests.projects.networks import prompts as short_prompts
from tests.projects.words import GPT2, LLAMA, policy

#: Lengths of prompts, and of the completions of each.
LENGTHS = {7: [5, 1, 30, 5], 1: [3, 1], 20: [1], 2: [2, 9, 4], 30: [12]}


def given():
    """Return prompts and completions in no order, each prompt as often as it has completions."""
    draw = prompts([length for lengths in LENGTHS.values() for length in lengths], seed=1)
    owners = [prompt for prompt, ks in zip(prompts(list(LENGTHS)), LENGTHS.values(), strict=True) for _ in ks]
    order = np.random.default_rng(0).permutation(len(draw)).tolist()
    return [owners[place] for place in order], [draw[place] for place in order]


def by_hand(model, prompt, completion):
    """Return log-probabilities, entropies and divergences from the uniform distribution, ``(3, tokens)``."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*prompt, *completion]])).logits[0].double().numpy()
    rows = []
    for place, token in enumerate(completion):
        values = logits[len(prompt) - 1 + place]
        probs = np.exp(values - values.max())
        probs /= probs.sum()
        divergence = sum(np.log(1 / VOCABULARY / p) for p in probs) / VOCABULARY
        rows.append((np.log(probs[token]), -sum(p * np.log(p) for p in probs), divergence))
    return np.array(rows).T


class Passes:
    """Writes down the shapes of what a network is given."""

    def __init__(self, model):
        self._model, self.shapes = model, []

    def __enter__(self):
        self._handle = self._model.register_forward_pre_hook(self._see, with_kwargs=True)
        return self.shapes

    def __exit__(self, *_):
        self._handle.remove()

    def _see(self, _, arguments, options):
        self.shapes.append(tuple(options["input_ids"].shape))


@pytest.mark.parametrize("batch_size", [1, 2, 64])
@pytest.mark.parametrize("name", ["gpt2", "mistral", "gemma2"])
def test_scores_are_those_of_a_plain_pass(name, batch_size):
    network = model(name, torch.float64)
    found = Scorer(target(network, batch_size)).log_probs(*given(), details=True)
    for prompt, completion, scores in zip(*given(), found, strict=True):
        expected = by_hand(network, prompt, completion)
        for name, values in zip(("log_probs", "entropy", "uniform"), expected, strict=True):
            assert getattr(scores, name).dtype == np.float32
            np.testing.assert_allclose(getattr(scores, name), values, atol=1e-5)


@pytest.mark.parametrize("config", [LLAMA, GPT2], ids=["llama", "gpt2"])
@pytest.mark.parametrize("details", [True, False])
def test_scores_are_those_of_the_policy(config, details):
    module = policy(config)
    module.configure_model()
    module.network = network({"llama": "rotary", "gpt2": "absolute"}[config["model_type"]])
    wanted = Target(module.network, module.pad_id, (), module.context, 3, str)
    owners = [prompt for prompt in short_prompts([5, 1, 12, 2]) for _ in range(5)]
    completions = short_prompts([1 + (3 * number) % 11 for number in range(20)], seed=1)
    expected = module.log_probs(owners, completions, details)
    found = Scorer(wanted).log_probs(owners, completions, details)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine.log_probs, theirs.log_probs, atol=1e-5)
        np.testing.assert_allclose(mine.entropy, theirs.entropy, atol=1e-5)
        np.testing.assert_allclose(mine.uniform, theirs.uniform, atol=1e-5)
        assert len(mine.entropy) == (len(mine.log_probs) if details else 0)


def test_what_was_sampled_is_scored_as_it_was_drawn():
    owners, seeds = asked()
    made = Sampler(target(exact(), 7)).generate(owners, seeds, Sampling(9, details=True))
    found = Scorer(target(exact())).log_probs(owners, [completion.ids for completion in made], details=True)
    for completion, scores in zip(made, found, strict=True):
        np.testing.assert_allclose(completion.scores.log_probs, scores.log_probs, atol=1e-6)
        np.testing.assert_allclose(completion.scores.entropy, scores.entropy, atol=1e-6)


def test_every_prompt_is_read_once_the_longest_first_and_so_are_completions():
    with Passes(exact()) as shapes:
        Scorer(target(exact(), 3)).log_probs(*given())
    assert shapes == [(1, 29), (1, 12), (1, 19), (1, 1), (1, 6), (3, 30), (1, 1), (1, 1), (3, 9), (2, 3)]


def test_completions_are_scored_in_parts_where_their_logits_are_many(monkeypatch):
    expected = Scorer(target(exact())).log_probs(*given())
    monkeypatch.setattr(scorer, "LOGITS", 2 * 30 * VOCABULARY)
    with Passes(exact()) as shapes:
        found = Scorer(target(exact())).log_probs(*given())
    assert max(rows * tokens for rows, tokens in shapes) <= 60
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine.log_probs, theirs.log_probs, atol=1e-7)


@pytest.mark.parametrize(("prompt", "completion"), [([], [3]), ([3], [])])
def test_nothing_to_score_is_refused(prompt, completion):
    with pytest.raises(DataError, match="no tokens.*Drop it"):
        Scorer(target(exact())).log_probs([[3], prompt], [[4], completion])


def test_no_completions():
    assert Scorer(target(exact())).log_probs([], []) == []
