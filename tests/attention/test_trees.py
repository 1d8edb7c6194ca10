"""Scores and gradients of a batch are the same as trees, as padded rows, and one by one."""

import pytest
import torch

from lit_iterative.attention import probe
from lit_iterative.attention.interface import Unsupported
from lit_iterative.attention.probe import growing, takes_trees
from lit_iterative.losses.log_probs import score
from lit_iterative.sequences import Sequences, pad
from tests.generation.models import GROUPED, REPLACED, VOCABULARY, built, prompts

TAKEN = [name for name in REPLACED if name != "gemma2"]  # it has a cap
#: Those that compute in nothing less than float64 if told so: others have norms in float32.
EXACT = ["gpt2", "gpt_neox", "phi", "opt", "starcoder2"]
LENGTHS = [5, 5, 9, 1, 7, 12, 5]  # longer than a window, and as short as can be
COMPLETIONS = prompts([4, 9, 3, 2, 11, 5, 4], seed=4)


def asked():
    given = prompts(LENGTHS, seed=3)
    given[1] = given[6] = given[0]  # a prompt with two completions, of which one is asked for twice
    return given, [*COMPLETIONS[:6], COMPLETIONS[0]]


def network(name, dtype=torch.float64):
    return built(name, **REPLACED[name]).to(dtype)


def rows(batch):
    """Return a batch whose trees are not known."""
    return Sequences(batch.input_ids, batch.attention_mask, batch.completion_mask)


def found(model, batches):
    """Return sums of completions, and the gradients of what depends on every token of them in another way."""
    model.zero_grad()
    scored = [score(model, batch) for batch in batches]
    factors = torch.linspace(-1, 2, 20, dtype=torch.float64)
    loss = sum((part.log_probs.double() * factors[: part.log_probs.shape[1]]).sum() for part in scored)
    loss.backward()
    gradients = {name: part.grad for name, part in model.named_parameters() if part.grad is not None}
    return torch.cat([part.sums for part in scored]), gradients


def check(ours, theirs, error):
    torch.testing.assert_close(ours[0], theirs[0], rtol=error, atol=error)
    assert ours[1].keys() == theirs[1].keys()
    for name, gradient in theirs[1].items():
        size = max(1.0, float(gradient.abs().max()))
        torch.testing.assert_close(ours[1][name] / size, gradient / size, rtol=error, atol=error, msg=name)


def layouts():
    """Return the same rows as one forest, padded, one by one, and as two batches in another order."""
    given, completions = asked()
    whole = pad(given, completions, 0)
    alone = [rows(pad([prompt], [completion], 0)) for prompt, completion in zip(given, completions, strict=True)]
    return {"forest": [whole], "padded": [rows(whole)], "alone": alone}


@pytest.mark.parametrize("name", TAKEN)
def test_layouts_are_equal(name):
    exact = name in EXACT
    model = network(name, torch.float64 if exact else torch.float32)
    assert takes_trees(model)
    results = {layout: found(model, batches) for layout, batches in layouts().items()}
    error = 1e-9 if exact else 1e-5
    check(results["forest"], results["padded"], error)
    check(results["forest"], results["alone"], error)


@pytest.mark.parametrize("name", ["gpt2", "starcoder2"])
def test_the_order_of_rows_and_their_number_change_nothing(name):
    model, (given, completions) = network(name), asked()
    order = [3, 6, 0, 5, 2, 1, 4]
    parts = [order[:3], order[3:]]
    batches = [pad([given[row] for row in part], [completions[row] for row in part], 0) for part in parts]
    sums, gradients = found(model, batches)
    back = torch.empty_like(sums)
    back[order] = sums
    check((back, gradients), found(model, [pad(given, completions, 0)]), 1e-9)


def test_large_scores_behind_the_ends_of_rows_do_no_harm():
    model, (given, completions) = network("starcoder2", torch.float32), asked()
    with torch.no_grad():
        for name, part in model.named_parameters():
            if "q_proj" in name or "k_proj" in name:
                part.mul_(100)
    _, gradients = found(model, [pad(given, completions, 0)])
    assert all(gradient.isfinite().all() for gradient in gradients.values())


@pytest.mark.parametrize("how", ["weights", "autocast"])
def test_low_precision(how):
    exact = found(network("llama", torch.float32), layouts()["padded"])
    model = network("llama", torch.bfloat16 if how == "weights" else torch.float32)
    errors = []
    for layout in ("forest", "padded"):
        with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
            sums, gradients = found(model, layouts()[layout])
        assert sums.dtype is torch.float32
        errors.append(sum((gradients[name] - part).square().sum() for name, part in exact[1].items()).sqrt())
        torch.testing.assert_close(sums, exact[0], rtol=0.02, atol=0.3)
    assert errors[0] <= 1.5 * errors[1]


def test_prompts_are_read_once_and_nothing_is_padded(monkeypatch):
    model, (given, completions) = network("llama", torch.float32), asked()
    score(model, pad(given, completions, 0))  # the first time it is tried
    seen = []
    model.get_input_embeddings().register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].numel()))
    score(model, pad(given, completions, 0))
    once = {tuple(prompt) for prompt in given}
    different = {(tuple(prompt), tuple(completion)) for prompt, completion in zip(given, completions, strict=True)}
    assert seen == [sum(len(prompt) - 1 for prompt in once) + sum(len(completion) for _, completion in different)]


def test_adapters_take_trees():
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    model = get_peft_model(network("llama", torch.float32), config)
    assert takes_trees(model)
    results = {layout: found(model, batches) for layout, batches in layouts().items()}
    check(results["forest"], results["padded"], 1e-5)


# ---- models and modes that take none ----------------------------------------------------------------------


@pytest.fixture
def told(monkeypatch):
    reasons = []
    monkeypatch.setattr(probe, "rank_zero_info", reasons.append)
    return reasons


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("gemma2", REPLACED["gemma2"], "has a cap"),
        ("bloom", {}, "cannot be set"),
        ("mamba", {"state_size": 4}, "come out otherwise"),
    ],
)
def test_other_models_are_told_once_and_scored_as_rows(name, options, reason, told):
    model, batch = built(name, **options), layouts()["forest"][0]
    with torch.no_grad():
        found = [score(model, part).sums for part in (batch, batch, rows(batch))]
    assert len(told) == 1
    assert reason in told[0]
    assert torch.equal(found[0], found[2])


def test_dropout_of_attention_is_told_once_and_leaves_random_numbers_as_they_were(told):
    model = built("llama", **GROUPED, attention_dropout=0.5).train()
    batch = layouts()["forest"][0]
    drawn = []
    for given in (batch, rows(batch)):
        torch.manual_seed(5)
        drawn.append(score(model, given).sums)
    assert torch.equal(*drawn)
    assert len(told) == 1
    assert "dropout" in told[0]


def test_activations_that_are_computed_again_need_the_model_s_own_attention():
    model = built("llama", **GROUPED).train()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    assert not takes_trees(model)
    with torch.no_grad():
        assert takes_trees(model)


def test_another_device_needs_the_model_s_own_attention():
    assert not takes_trees(built("llama", **GROUPED).to("meta"))


def test_a_model_is_as_before_when_it_cannot():
    model = built("gemma2", **REPLACED["gemma2"])
    before, batch = model.config._attn_implementation, layouts()["forest"][0]
    with pytest.raises(Unsupported), growing(model, batch.trees):
        model(input_ids=batch.trees.input_ids, position_ids=batch.trees.position_ids)
    assert model.config._attn_implementation == before


def test_a_cap_on_logits_alone_takes_trees():
    model = built("gemma2", **{**REPLACED["gemma2"], "attn_logit_softcapping": None, "final_logit_softcapping": 3.0})
    assert takes_trees(model)
    batch = layouts()["forest"][0]
    assert batch.input_ids.max() < VOCABULARY
    results = {layout: found(model, batches) for layout, batches in layouts().items()}
    check(results["forest"], results["padded"], 1e-5)
