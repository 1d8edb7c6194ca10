"""Which models the sampler takes, and that it says of them what transformers says."""

import warnings

import pytest
import torch

from lit_iterative._compat import attention_of
from lit_iterative.attention.interface import NAME
from lit_iterative.generation import probe
from lit_iterative.generation.decoder import Decoder
from lit_iterative.generation.in_process import InProcess
from lit_iterative.generation.language import Sampling
from lit_iterative.generation.sampler import Sampler
from tests.generation.models import EOS, GROUPED, PAD, REPLACED, built, model, prompts, target

PROMPTS = prompts([5, 17, 1, 9, 3, 23, 12, 2])
STOPS = [EOS, 9, 30]
#: Architectures whose attention cannot be replaced, and what says so.
REFUSED = {
    "bloom": ({}, "cannot be set"),
    "falcon": ({}, "cannot be set"),
    "mpt": ({}, "cannot be set"),
    "gptj": ({"rotary_dim": 4}, "cannot be set"),
    "codegen": ({"rotary_dim": 4}, "cannot be set"),
    "gpt_neo": (
        {"attention_types": [[["global", "local"], 1]], "num_layers": 2, "num_heads": 4},
        "cannot be set",
    ),
    "gpt_oss": (
        {
            **GROUPED,
            "head_dim": 8,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
        },
        "s_aux",
    ),
    "mamba": ({"state_size": 4}, "come out otherwise"),
}


def refused(name):
    options = dict(REFUSED[name][0])
    if name == "gpt_neo":
        options |= {"num_hidden_layers": 2, "num_attention_heads": 4}
    return built(name, **options)


@pytest.mark.parametrize("name", REPLACED)
def test_greedy_completions_are_those_of_transformers(name):
    network, length = model(name), max(map(len, PROMPTS))
    ids = torch.tensor([[PAD] * (length - len(prompt)) + prompt for prompt in PROMPTS])
    mask = torch.tensor([[0] * (length - len(prompt)) + [1] * len(prompt) for prompt in PROMPTS])
    options = {"do_sample": False, "max_new_tokens": 20, "pad_token_id": PAD, "eos_token_id": STOPS}
    expected = network.generate(input_ids=ids, attention_mask=mask, **options)[:, length:].tolist()
    assert probe.obstacle(network) is None
    made = Sampler(target(network, batch_size=5)).generate(PROMPTS, [0] * 8, Sampling(20, temperature=0.0))
    for completion, row in zip(made, expected, strict=True):
        assert completion.ids == row[: len(completion.ids)]
        assert set(row[len(completion.ids) :]) <= {PAD}
        assert completion.finish == ("stop" if completion.ids[-1] in STOPS else "length")
    assert len({tuple(completion.ids) for completion in made}) >= 5
    assert max(len(completion.ids) for completion in made) == 20


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_whose_attention_cannot_be_replaced_is_told_and_restored(name):
    network = refused(name)
    before = attention_of(network)
    assert REFUSED[name][1] in str(probe.obstacle(network))
    assert attention_of(network) == before != NAME


@pytest.mark.parametrize("name", ["bloom", "gpt_oss"])
def test_another_engine_takes_over_and_says_so_once(name):
    network, sampling = refused(name), Sampling(8)
    wanted = target(network)
    with pytest.warns(UserWarning, match=f"{type(network).__name__} samples with its own attention.*slower: ") as told:
        engine = InProcess().engine(wanted)
    assert len(told) == 1
    assert isinstance(InProcess().engine(wanted), Decoder)  # and warns no more
    assert engine.generate(PROMPTS[:3], [1, 2, 3], sampling) == Decoder(wanted).generate(
        PROMPTS[:3], [1, 2, 3], sampling
    )


def test_a_model_whose_attention_can_be_replaced_is_sampled_by_the_sampler():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(InProcess().engine(target(model())), Sampler)
