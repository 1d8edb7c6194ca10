"""Sampling leaves no trace in a network or its training, and takes networks in the state in which training has them."""

import random
from copy import deepcopy

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model

from lit_iterative.attention.interface import replaced
from lit_iterative.generation.decoder import Decoder
from lit_iterative.generation.forward import ForwardPass
from lit_iterative.generation.in_process import InProcess
from lit_iterative.generation.language import Sampling
from lit_iterative.generation.probe import obstacle
from lit_iterative.generation.sampler import Sampler
from lit_iterative.losses.log_probs import score
from lit_iterative.sequences import pad
from tests.generation.models import REPLACED, Failing, asked, built, model, prompts, target
from tests.projects.words import trainer

SAMPLING = Sampling(6)


def sampled(network, sampling=SAMPLING, batch_size=7):
    return Sampler(target(network, batch_size)).generate(*asked(), sampling)


# ---- no trace -----------------------------------------------------------------------------------------


def state_of(network):
    """Return all of a network and of this process that sampling must leave as it is."""
    modules = list(network.modules())
    return {
        "weights": {name: value.clone() for name, value in network.state_dict().items()},
        "grads": {name: None if p.grad is None else p.grad.clone() for name, p in network.named_parameters()},
        "trained": [parameter.requires_grad for parameter in network.parameters()],
        "modes": [module.training for module in modules],
        "hooks": [(len(module._forward_hooks), len(module._forward_pre_hooks)) for module in modules],
        "config": network.config.to_dict(),
        "attention": network.config._attn_implementation,
        "random": (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()),
        "gradients": torch.is_grad_enabled(),
    }


def same(first, second):
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(value, second[name]) for name, value in first.items())
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


def backward(network):
    ids = torch.tensor(prompts([9, 9]))
    network(input_ids=ids, labels=ids).loss.backward()


def halfway():
    """Return a network in the middle of training: with gradients, in two modes, and a frozen weight."""
    network = deepcopy(model())
    network.model.layers[0].train()
    network.model.norm.weight.requires_grad_(False)
    backward(network)
    return network


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("what", ["sampling", "scoring", "probing", "an error", "memory that is short"])
def test_nothing_is_left_behind(attention, what):
    network, (given, seeds) = halfway(), asked()
    network.set_attn_implementation(attention)
    before = state_of(network)
    if what == "sampling":
        assert len(sampled(network, Sampling(6, details=True))) == len(given)
    elif what == "scoring":
        assert len(score(network, pad(given, given, 0), details=True).sums) == len(given)
    elif what == "probing":
        assert obstacle(network) is None
    elif what == "an error":
        with Failing(network, lambda _, count: count == 4, ValueError("no")), pytest.raises(ValueError, match="no"):
            sampled(network)
    else:
        with Failing(network, lambda _, count: count in (3, 9)):
            assert sampled(network) == Sampler(target(network)).generate(given, seeds, SAMPLING)
    assert same(before, state_of(network))


def test_gradients_are_those_without_sampling():
    network = deepcopy(model())
    backward(network)
    before = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    sampled(network)
    backward(network)
    assert all(torch.equal(p.grad, grad) for p, grad in zip(network.parameters(), before, strict=True))
    assert not any(parameter.is_inference() for parameter in network.parameters())


def test_attention_is_restored_after_an_error_and_within_another_call():
    network = deepcopy(model())
    with pytest.raises(KeyError), replaced(network):
        raise KeyError
    assert network.config._attn_implementation == "sdpa"
    with replaced(network), replaced(network):
        assert network.config._attn_implementation == "lit_iterative"
    assert network.config._attn_implementation == "sdpa"


# ---- as training has them -----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("engine", [Sampler, Decoder])
def test_a_network_with_gradient_checkpointing(engine, mode):
    network, expected = deepcopy(model()), sampled(model())
    network.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    network.train(mode == "train")
    assert engine(target(network, 7)).generate(*asked(), SAMPLING) == expected
    assert all(layer.gradient_checkpointing for layer in network.model.layers)


def test_a_network_that_is_told_to_use_no_cache():
    network = deepcopy(model())
    network.config.use_cache = network.generation_config.use_cache = False
    assert isinstance(InProcess().engine(target(network)), Sampler)
    assert sampled(network) == sampled(model())
    assert not network.config.use_cache


def first_probabilities(engine, network, sampling):
    """Return the probabilities of the first two tokens of all completions, ``(completions, 2)``."""
    made = engine(target(network, stop_ids=())).generate(*asked(), sampling)
    return np.stack([np.exp(completion.scores.log_probs[:2]) for completion in made])


@pytest.mark.parametrize("how", ["weights", "autocast"])
def test_half_precision_gives_the_distributions_that_the_network_gives(how):
    greedy = Sampling(2, temperature=0.0, details=True)
    network = model(dtype=torch.bfloat16 if how == "weights" else torch.float32)
    with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
        assert obstacle(network) is None
        found, plain = (first_probabilities(engine, network, greedy) for engine in (Sampler, Decoder))
    precise = first_probabilities(Sampler, model(), greedy)
    assert np.abs(found[:, 0] - plain[:, 0]).max() < 0.02
    assert np.abs(found[:, 0] - precise[:, 0]).max() < 0.05
    assert np.abs(found[:, 0] - precise[:, 0]).max() > 1e-5  # it is not that precise


def adapted(dtype=torch.float64):
    """Return a network with an adapter that says something, not merged."""
    network = get_peft_model(model(dtype=dtype), LoraConfig(r=2, target_modules=["q_proj", "v_proj", "up_proj"]))
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.5, generator=draw)
    return network.to(dtype).eval()


def test_an_adapter_need_not_be_merged():
    network = adapted()
    made, plain = sampled(network), sampled(model(dtype=torch.float64))
    with network.disable_adapter():
        assert sampled(network) == plain
    assert sum(one != other for one, other in zip(made, plain, strict=True)) > len(made) / 2
    assert obstacle(network) is None
    assert sampled(deepcopy(network).merge_and_unload()) == made
    assert sampled(network) == made


def test_a_quantised_base_with_an_adapter():
    """On a CPU, products with weights of four bits are rounded otherwise for one row than for many."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    network = built("llama", **REPLACED["llama"] | {"hidden_size": 64, "intermediate_size": 64})
    for block in network.model.layers:
        for part, name in ((block.self_attn, "q_proj"), (block.self_attn, "v_proj"), (block.mlp, "up_proj")):
            plain = getattr(part, name)
            made = bitsandbytes.nn.Linear4bit(
                plain.in_features, plain.out_features, bias=False, quant_type="nf4", compute_dtype=torch.float32
            )
            made.weight = bitsandbytes.nn.Params4bit(plain.weight.data, requires_grad=False, quant_type="nf4")
            setattr(part, name, made.to("cpu"))
    network = get_peft_model(network, LoraConfig(r=2, target_modules=["q_proj", "v_proj"])).eval()
    assert obstacle(network) is None
    greedy = Sampling(2, temperature=0.0, details=True)
    found, plain = (first_probabilities(engine, network, greedy)[:, 0] for engine in (Sampler, Decoder))
    assert np.abs(found - plain).max() < 0.02


# ---- in fit -------------------------------------------------------------------------------------------


class Trained(pl.LightningModule):
    """A GPT-2 with dropout that learns a few texts."""

    def __init__(self):
        super().__init__()
        self.network = built("gpt2", resid_pdrop=0.2, attn_pdrop=0.2, embd_pdrop=0.2).train()
        self.losses = []

    def training_step(self, batch, batch_idx):
        loss = self.network(input_ids=batch, labels=batch).loss
        self.losses.append(loss.item())
        return loss

    def train_dataloader(self):
        texts = torch.tensor(prompts([12] * 16))
        return torch.utils.data.DataLoader(texts, 4, shuffle=True)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


class Pass(pl.Callback):
    """Samples at the end of every epoch, as the ops of a round do."""

    def __init__(self):
        self.made = []

    def on_train_epoch_end(self, trainer, pl_module):
        with ForwardPass(trainer, pl_module).quiet(0):
            self.made.append(InProcess().engine(target(pl_module.network, 7)).generate(*asked(), SAMPLING))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_losses_of_a_fit_are_those_without_sampling(tmp_path, precision):
    losses, callback = [], Pass()
    for callbacks in ([], [callback]):
        pl.seed_everything(3, verbose=False)
        module = Trained()
        trainer(tmp_path, callbacks, max_epochs=3, precision=precision).fit(module)
        losses.append(module.losses)
    assert losses[0] == losses[1]
    assert len(set(losses[0])) == 12
    assert callback.made[0] != callback.made[1] != callback.made[2]
