"""The probe finds out what a model's attention does beyond what the sampler knows."""

from copy import deepcopy

import pytest
import torch

from lit_iterative.errors import DataError
from lit_iterative.generation import probe
from lit_iterative.generation.decoder import Decoder
from lit_iterative.generation.in_process import InProcess
from lit_iterative.generation.language import Sampling
from lit_iterative.generation.probe import obstacle
from lit_iterative.generation.sampler import Sampler
from tests.generation.models import GROUPED, REPLACED, built, model, prompts, target


def drawing(network):
    """Return a network and the random state before it is probed."""
    return network, torch.get_rng_state()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma2", "mistral"])
def test_models_are_taken_in_every_precision(name, dtype):
    assert obstacle(model(name, dtype)) is None


def test_rounding_in_many_layers_is_no_obstacle():
    options = {**REPLACED["qwen3"], "num_hidden_layers": 28, "hidden_size": 128, "vocab_size": 8000}
    assert obstacle(built("qwen3", **options).to(torch.bfloat16)) is None


def test_the_answer_is_remembered_while_the_model_lives(monkeypatch):
    network, tries, tried = deepcopy(model()), [], probe._tried
    monkeypatch.setattr(probe, "_tried", lambda given: tries.append(given) or tried(given))
    assert obstacle(network) is obstacle(network) is None
    assert tries == [network]
    known = len(probe._KNOWN)
    tries.clear()
    del network
    assert len(probe._KNOWN) == known - 1


def test_a_model_that_is_being_trained_is_probed_without_dropout():
    network, before = drawing(built("gpt2", resid_pdrop=0.5, embd_pdrop=0.5).train())
    assert obstacle(network) is None
    assert torch.equal(torch.get_rng_state(), before)
    assert all(module.training for module in network.modules())


def test_a_model_that_computes_activations_again_is_taken_in_training_mode():
    network = deepcopy(model())
    network.gradient_checkpointing_enable()
    network.train()
    assert obstacle(network) is None
    assert network.is_gradient_checkpointing


def test_a_model_that_has_not_learnt_anything_yet_is_taken():
    network = deepcopy(model())
    network.lm_head.weight.data.zero_()
    assert obstacle(network) is None


@pytest.mark.parametrize(
    "wrong",
    ["scale", "bias by distance", "an error", "another cache"],
)
def test_attention_that_differs_is_told(wrong, monkeypatch):
    network = deepcopy(model())
    layer = type(network.model.layers[0].self_attn)
    forward = layer.forward

    def changed(self, hidden_states, **options):
        replaces = network.config._attn_implementation == "lit_iterative"
        if wrong == "an error" and replaces:
            raise ValueError("nothing of the kind")
        if wrong == "another cache" and replaces:
            options["past_key_values"] = None
        if wrong == "bias by distance":
            hidden_states = hidden_states + 0.1 * hidden_states.shape[1]
        if wrong == "scale":
            self.scaling = 0.3 if replaces else 0.35
        return forward(self, hidden_states, **options)

    monkeypatch.setattr(layer, "forward", changed)
    told = obstacle(network)
    assert ("ValueError: nothing of the kind" if wrong == "an error" else "") in told
    assert network.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"attention_mask": torch.zeros(1, 1, 1, 1)}, "a mask of its own"),
        ({"head_mask": torch.ones(4)}, "head_mask"),
        ({"s_aux": torch.ones(4), "alibi": torch.ones(4)}, "s_aux, alibi"),
    ],
)
def test_what_attention_is_given_and_cannot_be_heeded_is_told(given, told, monkeypatch):
    network = deepcopy(model())
    layer = type(network.model.layers[0].self_attn)
    forward = layer.forward
    monkeypatch.setattr(layer, "forward", lambda self, **options: forward(self, **{**options, **given}))
    assert obstacle(network) == f"its attention takes {told}"


@pytest.mark.parametrize("name", ["llama", "gpt2", "mistral"])
@pytest.mark.parametrize("mistake", ["positions", "slots", "own tokens", "lengths"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_cache_that_mistakes_anything_is_told(name, mistake, dtype, monkeypatch):
    """What the probe sees: each branch's prompt, its length, and the tokens of before."""
    from lit_iterative.generation.branches import Growth

    made = Growth.__init__

    def mistaken(self, cache, slots, lengths, starts, tokens=1):
        if mistake == "slots":
            slots = torch.zeros_like(slots)
        if mistake == "own tokens" and int(starts.max()):
            cache.branches.layer(0, *2 * [torch.zeros(1)])[0].zero_()
        if mistake == "lengths":
            lengths = lengths.max().expand_as(lengths)
        made(self, cache, slots, lengths, starts, tokens)
        if mistake == "positions":
            self.positions = self.positions + self.positions % 2

    monkeypatch.setattr(Growth, "__init__", mistaken)
    assert "come out otherwise" in obstacle(model(name, dtype))


def test_memory_that_is_short_is_no_obstacle(monkeypatch):
    network = deepcopy(model())

    def short(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    handle = network.register_forward_pre_hook(short)
    with pytest.raises(torch.OutOfMemoryError):
        obstacle(network)
    handle.remove()
    assert obstacle(network) is None


#: Models that keep a window or chunks in their masks alone.
BY_MASKS = {
    "phimoe": {"num_local_experts": 4, "sliding_window": 16},
    "llama4_text": {
        "attention_chunk_size": 16,
        "intermediate_size_mlp": 48,
        "num_local_experts": 2,
        "head_dim": 8,
        "moe_layers": [],
    },
}


@pytest.mark.parametrize("name", BY_MASKS)
def test_what_masks_alone_hide_is_told_though_the_probe_is_shorter(name):
    network = built(name, **{**GROUPED, **BY_MASKS[name]})
    assert obstacle(network) == "its masks alone hide what is more than [16] tokens away"
    (long,), greedy = prompts([40]), Sampling(8, temperature=0.0)
    (plain,) = Decoder(target(network)).generate([long], [0], greedy)
    assert Sampler(target(network)).generate([long], [0], greedy) != [plain]


@pytest.mark.parametrize("window", [2, 16, 4096])
@pytest.mark.parametrize("name", ["mistral", "qwen2", "gemma2", "gemma3_text", "starcoder2"])
def test_a_window_that_attention_is_told_of_is_no_obstacle(name, window):
    assert obstacle(built(name, **{**REPLACED[name], "sliding_window": window})) is None


def test_a_model_that_gives_no_numbers_now_is_tried_again():
    network = model()
    weight = network.get_input_embeddings().weight
    with torch.no_grad():
        kept = weight.clone()
        weight.fill_(torch.nan)
        assert obstacle(network) is None
        with pytest.raises(DataError, match="not numbers"):
            InProcess().engine(target(network)).generate([[3, 4]], [1], Sampling(2))
        weight.copy_(kept)
    assert obstacle(network) is None
    assert network in probe._KNOWN
