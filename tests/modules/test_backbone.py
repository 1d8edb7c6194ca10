"""Backbones: fresh ones from a seed, pretrained ones from a folder, quantised ones that compute what they hold."""

import sys

import pytest
import torch

from lit_iterative.errors import SetupError
from lit_iterative.modules import LanguagePolicy
from lit_iterative.modules.backbone import Fresh, LoRA, Pretrained
from tests.projects.saved import NF4, WIDE, pretrained, save
from tests.projects.words import ALPHABET, GPT2, LLAMA, SAMPLING


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save(tmp_path_factory.mktemp("model"), {**WIDE, "initializer_range": 0.3})


def same(first, second):
    first, second = first.state_dict(), second.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("config", [LLAMA, GPT2], ids=["llama", "gpt2"])
def test_a_fresh_network_depends_on_its_seed_alone(config):
    state = torch.random.get_rng_state()
    first = Fresh(ALPHABET, config).network()
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(99)
    assert same(first, Fresh(ALPHABET, config).network())
    assert not same(first, Fresh(ALPHABET, config, seed=1).network())


def test_a_fresh_network_knows_the_special_tokens_of_its_alphabet():
    made = Fresh(ALPHABET, LLAMA)
    config, tokenizer = made.network().config, made.tokenizer()
    assert (config.pad_token_id, config.bos_token_id, config.eos_token_id) == (0, 1, 2)
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1, 2)
    assert config.vocab_size == len(tokenizer) == 4 + len(ALPHABET)


def test_a_fresh_network_of_no_kind_is_refused():
    with pytest.raises(SetupError, match="names no kind of model.*llama or gpt2"):
        Fresh(ALPHABET, {"hidden_size": 8}).network()


def test_a_folder_gives_the_model_that_was_saved_in_it(saved):
    made = Pretrained(saved)
    assert same(made.network(), Fresh(ALPHABET, {**WIDE, "initializer_range": 0.3}).network())
    assert made.tokenizer().get_vocab() == Fresh(ALPHABET, WIDE).tokenizer().get_vocab()
    assert {weight.dtype for weight in Pretrained(saved, dtype="bfloat16").network().parameters()} == {torch.bfloat16}
    assert Pretrained(saved, attention="eager").network().config._attn_implementation == "eager"


def test_a_policy_from_a_folder_samples_as_the_model_that_was_saved(saved):
    policies = [
        LanguagePolicy(backbone)
        for backbone in (Pretrained(saved), Fresh(ALPHABET, {**WIDE, "initializer_range": 0.3}))
    ]
    for policy in policies:
        policy.configure_model()
        policy.eval()
    prompts = [policies[0].encode("1+2="), policies[0].encode("12+2=")]
    first, second = (policy.generate(prompts, [1, 2], SAMPLING) for policy in policies)
    assert first == second


def test_a_folder_keeps_its_chat_template(tmp_path):
    path = save(tmp_path)
    tokenizer = Pretrained(path).tokenizer()
    tokenizer.chat_template = "{{ bos_token }}{% for message in messages %}{{ message['content'] }}={% endfor %}"
    tokenizer.save_pretrained(path)
    policy = LanguagePolicy(Pretrained(path), chat="template")
    assert policy.encode("1+2") == policy.encode([{"role": "user", "content": "1+2"}]) == [1, 5, 14, 6, 15]


# ---- four bits --------------------------------------------------------------------------------------------


def dequantised(policy):
    """Return plain weights of a quantised network by the definition: code times scale, block by block of 64."""
    weights = {}
    for name, layer in policy.network.named_modules():
        if name.endswith("base_layer"):
            state = layer.weight.quant_state
            codes = torch.stack([layer.weight.data.reshape(-1) >> 4, layer.weight.data.reshape(-1) & 15], dim=1)
            values = state.code[codes.reshape(-1).long()].reshape(-1, 64) * state.absmax[:, None]
            weights[name] = values.reshape(state.shape)
    return weights


@pytest.mark.parametrize("looked_at_before", [False, True], ids=["first", "after an evaluation"])
def test_four_bits_give_values_and_gradients_of_the_weights_they_stand_for(saved, looked_at_before):
    quantised, plain = pretrained(saved, seed=3), pretrained(saved, {}, seed=3)
    ids = torch.tensor([[1, 5, 14, 6, 15, 5, 6, 7]])
    if looked_at_before:
        quantised.eval()
        with torch.no_grad():
            quantised.network(input_ids=ids)
        quantised.state_dict()
        quantised.train()
    weights = dequantised(quantised)
    layers = dict(plain.network.named_modules())
    assert len(weights) == 14
    for name, value in weights.items():
        assert not torch.equal(layers[name].weight, value)  # rounded, but not by much
        torch.testing.assert_close(layers[name].weight, value, atol=0.2, rtol=0)
        layers[name].weight.data = value
    for policy in (quantised, plain):
        draw = torch.Generator().manual_seed(0)
        for name, parameter in policy.network.named_parameters():
            if "lora_" in name:
                parameter.data = torch.randn(parameter.shape, generator=draw) * 0.1
    logits = [policy.network(input_ids=ids).logits for policy in (quantised, plain)]
    torch.testing.assert_close(*logits, atol=1e-4, rtol=1e-4)
    gradients = []
    for policy, made in zip((quantised, plain), logits, strict=True):
        made.log_softmax(dim=-1)[..., 3].sum().backward()
        gradients.append({name: p.grad for name, p in policy.network.named_parameters() if "lora_" in name})
    torch.testing.assert_close(*gradients, atol=1e-3, rtol=1e-3)


def test_four_bits_say_the_same_in_training_and_in_evaluation(saved):
    policy, ids = pretrained(saved), torch.tensor([[1, 5, 14, 6, 15]])
    with torch.no_grad():
        said = [policy.train(mode).network(input_ids=ids).logits for mode in (True, False, True)]
    assert torch.equal(said[0], said[1])
    assert torch.equal(said[0], said[2])


def test_four_bits_need_bitsandbytes(saved, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(SetupError, match=r"need bitsandbytes.*lit-iterative\[quantisation\]"):
        Pretrained(saved, quantisation=NF4).network()


def test_a_folder_of_four_bits_is_told_apart(saved, tmp_path):
    Pretrained(saved, quantisation=NF4).network().save_pretrained(tmp_path)
    with pytest.raises(SetupError, match="are quantised.*quantisation={load_in_4bit: true.*a lora"):
        Pretrained(str(tmp_path)).network()


def test_four_bits_are_kept_as_bytes(saved):
    with pytest.raises(SetupError, match="kept as torch.bfloat16.*Leave bnb_4bit_quant_storage at uint8"):
        Pretrained(saved, quantisation={**NF4, "bnb_4bit_quant_storage": "bfloat16"}).network()


def test_lora_says_how_to_adapt():
    made = LoRA(r=4, alpha=8, dropout=0.1, targets=["q_proj"]).config()
    assert (made.r, made.lora_alpha, made.lora_dropout, made.target_modules) == (4, 8, 0.1, {"q_proj"})
    assert LoRA().config().target_modules == "all-linear"
