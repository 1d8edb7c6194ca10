"""Which networks are split into a body and a last layer, and that they score as they do whole."""

import copy

import pytest
import torch
from torch import nn

from lit_iterative.losses import split as splits
from lit_iterative.losses.log_probs import from_logits, score
from lit_iterative.losses.split import obstacle, split
from lit_iterative.sequences import Sequences, pad
from tests.generation.models import GROUPED, REPLACED, VOCABULARY, built, prompts
from tests.losses.test_projection import Largest

SPLIT = {
    **REPLACED,
    "gemma2": {**REPLACED["gemma2"], "final_logit_softcapping": 3.0},
    "granite": {**REPLACED["granite"], "logits_scaling": 4.0},
    "bloom": {},
    "gptj": {"rotary_dim": 4},
}
LORA = {"r": 2, "init_lora_weights": False}


def network(name="llama", dtype=torch.float32):
    return built(name, **SPLIT[name]).to(dtype)


def adapted(targets, dtype=torch.float32):
    from peft import LoraConfig, get_peft_model

    return get_peft_model(network(), LoraConfig(target_modules=targets, **LORA)).to(dtype)


def batch():
    """Return five completions, one of them empty, one with weights of tokens, as padded rows."""
    completions = prompts([3, 1, 6, 4, 2], seed=1)
    completions[1] = []
    padded = pad(prompts([3, 9, 1, 5, 7]), completions, 0, [None, None, None, [0.5, 0.0, 2.0, 1.0], None])
    return Sequences(padded.input_ids, padded.attention_mask, padded.completion_mask)


def whole(model, batch, details=False):
    """Score by all logits."""
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask, "position_ids": batch.position_ids}
    return from_logits(model(**inputs, use_cache=False).logits, batch, details)


def gradients(model, scored):
    model.zero_grad()
    (scored.sums * torch.tensor([1.0, -2.0, 0.5, 3.0, 1.5], dtype=scored.sums.dtype)).sum().backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


def check_equal(model, error):
    """Check that values and gradients are the same either way."""
    found, expected = score(model, batch(), details=True), whole(model, batch(), details=True)
    for name in ("log_probs", "weights", "entropy", "uniform"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=error, atol=error, msg=name)
    ours, theirs = gradients(model, found), gradients(model, expected)
    assert ours.keys() == theirs.keys()
    assert sum(gradient.norm() for gradient in ours.values()) > 1
    for name, gradient in ours.items():
        assert (gradient - theirs[name]).norm() <= error * max(1.0, float(theirs[name].norm())), name


@pytest.mark.parametrize("name", SPLIT)
def test_values_and_gradients_are_those_of_all_logits(name):
    model = network(name)
    assert obstacle(model) is None
    check_equal(model, 5e-6)
    if name != "mixtral":  # whose experts know no float64
        check_equal(model.double(), 1e-10)


def test_the_finish_is_that_of_the_configuration():
    finishes = {name: split(network(name)).finish for name in ("llama", "gemma2", "cohere", "granite")}
    assert finishes == {"llama": (1.0, None), "gemma2": (1.0, 3.0), "cohere": (0.0625, None), "granite": (0.25, None)}


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_frozen_last_layer(name):
    model = network(name, torch.float64)
    model.get_output_embeddings().weight.requires_grad_(False)  # in GPT-2 also the embedding
    check_equal(model, 1e-10)
    assert model.get_output_embeddings().weight.grad is None


def test_an_adapter_in_the_body():
    model = adapted("all-linear", torch.float64)
    assert obstacle(model) is None
    check_equal(model, 1e-10)
    with_adapter = score(model, batch()).sums
    with model.disable_adapter():
        assert not torch.allclose(score(model, batch()).sums, with_adapter)
        torch.testing.assert_close(score(model, batch()).sums, whole(model, batch()).sums)


def test_gradient_checkpointing():
    model, plain = (network("llama", torch.float64).train() for _ in range(2))
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    expected = gradients(plain, score(plain, batch()))
    for name, gradient in gradients(model, score(model, batch())).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-10, atol=1e-10)


def test_the_body_and_completions_are_all_that_is_computed():
    model, given = built("llama", **{**GROUPED, "vocab_size": 500}), batch()
    score(model, given)
    with Largest() as seen, torch.no_grad():
        score(model, given)
    assert seen.numbers == int(given.completion_mask.count_nonzero()) * 500
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    score(model, given)
    assert not calls


# ---- precision --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama", "gemma2", "cohere", "phi"])
@pytest.mark.parametrize("how", ["weights", "autocast"])
def test_low_precision(name, how):
    exact = network(name, torch.float64)
    model = network(name, torch.bfloat16 if how == "weights" else torch.float32)
    expected = gradients(exact, whole(exact, batch()))
    errors = []
    for scorer in (score, whole):
        with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
            scored = scorer(model, batch())
        assert scored.sums.dtype is torch.float32
        found = gradients(model, scored)
        assert found.keys() == expected.keys()
        errors.append(sum((found[name] - gradient).square().sum() for name, gradient in expected.items()).sqrt())
        torch.testing.assert_close(scored.sums, whole(exact, batch()).sums.float(), rtol=0.02, atol=0.1)
    assert errors[0] <= 1.3 * errors[1]


def test_what_is_tried_under_autocast_leaves_gradients_to_the_first_step():
    model = network()
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients(model, score(model, batch()))
    assert found.keys() == dict(model.named_parameters()).keys()
    assert all(gradient.any() for gradient in found.values())


# ---- what is tried ----------------------------------------------------------------------------------------


def test_it_is_tried_once_and_nothing_of_it_stays():
    model = built("gpt2", resid_pdrop=0.5).train()
    model.transformer.h[0].eval()
    modes, calls = [module.training for module in model.modules()], []
    model.register_forward_hook(lambda *_: calls.append(1))
    before = torch.get_rng_state()
    for _ in range(3):
        assert obstacle(model) is None
    assert len(calls) == 1
    assert torch.equal(torch.get_rng_state(), before)
    assert [module.training for module in model.modules()] == modes
    assert not model.get_output_embeddings()._forward_pre_hooks
    assert obstacle(copy.deepcopy(model)) is None


def test_verdicts_do_not_keep_networks():
    known = len(splits._KNOWN)
    assert obstacle(network()) is None
    import gc

    gc.collect()
    assert len(splits._KNOWN) <= known


class Doubled(nn.Linear):
    """What stands in for a linear layer but is none."""

    def forward(self, hidden):
        return 2 * super().forward(hidden)


def lora_on_the_head():
    return adapted(["q_proj", "lm_head"])


def another_kind_of_layer():
    model = network()
    made = Doubled(32, VOCABULARY, bias=False)
    made.weight = model.lm_head.weight
    model.lm_head = made
    return model


def an_unknown_cap():
    return built("recurrent_gemma", **GROUPED, lru_width=32, attention_window_size=8, block_types=["recurrent"])


def a_cap_that_is_not_there():
    model = network()
    model.config.final_logit_softcapping = 30.0
    return model


def a_scale_before_the_last_layer():
    model = network()
    model.lm_head.register_forward_pre_hook(lambda layer, inputs: (inputs[0] * 2,))
    return model


def an_offset_behind_the_last_layer():
    model = network()
    offset = torch.linspace(0, 1, VOCABULARY)
    model.lm_head.register_forward_hook(lambda layer, inputs, output: output + offset)
    return model


REFUSED = {
    lora_on_the_head: "its last layer is a peft.*.Linear",
    another_kind_of_layer: "its last layer is a .*.Doubled",
    an_unknown_cap: "its logits come out otherwise",
    a_cap_that_is_not_there: "its logits come out otherwise",
    a_scale_before_the_last_layer: "its hidden states come out otherwise",
    an_offset_behind_the_last_layer: "its logits come out otherwise",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_networks_are_told_once_and_scored_by_all_logits(kind):
    model = kind()
    with pytest.warns(UserWarning, match=f"is scored with all of its logits in memory: {REFUSED[kind]}") as told:
        found = score(model, batch(), details=True)
    assert len(told) == 1
    assert torch.equal(score(model, batch()).sums, found.sums)
    assert torch.equal(found.sums, whole(model, batch()).sums)
    assert gradients(model, found)


def test_memory_that_is_short_is_no_verdict(monkeypatch):
    model = network()

    def short(**_):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(model, "forward", short)
    with pytest.raises(torch.OutOfMemoryError):
        obstacle(model)
    monkeypatch.undo()
    assert obstacle(model) is None
