"""Adapters: what is trained, switched off, and merged for export."""

import pytest
import torch

from lit_iterative.errors import SetupError
from lit_iterative.modules import adapters
from lit_iterative.modules.backbone import Fresh, LoRA
from tests.projects.saved import pretrained, save, seeded
from tests.projects.words import ALPHABET, GPT2, LLAMA

IDS = torch.tensor([[1, 5, 14, 6, 15]])


def filled(config=LLAMA, **options):
    """Return a policy whose adapter says something."""
    module = seeded(config, **{"lora": LoRA(r=2), **options})
    with torch.no_grad():
        for name, parameter in module.network.named_parameters():
            if "lora_B" in name:
                parameter.normal_(generator=torch.Generator().manual_seed(1))
    return module.eval()


def said(network):
    with torch.no_grad():
        return network(input_ids=IDS).logits


@pytest.mark.parametrize("config", [LLAMA, GPT2], ids=["llama", "gpt2"])
def test_only_the_adapter_is_trained(config):
    module = seeded(config, LoRA(r=2))
    trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, _ in module.named_parameters() if "lora_" in name}
    optimised = {id(p) for group in module.configure_optimizers().param_groups for p in group["params"]}
    assert optimised == {id(parameter) for parameter in module.parameters() if parameter.requires_grad}


@pytest.mark.parametrize("config", [LLAMA, GPT2], ids=["llama", "gpt2"])
def test_without_adapter_the_base_speaks_and_with_it_again_the_policy(config):
    module = filled(config)
    before = said(module.network)
    with module.without_adapter():
        torch.testing.assert_close(said(module.network), said(Fresh(ALPHABET, config).network().eval()))
    assert torch.equal(said(module.network), before)
    assert all(parameter.requires_grad == ("lora_" in name) for name, parameter in module.named_parameters())
    assert not torch.allclose(before, said(Fresh(ALPHABET, config).network().eval()), atol=1e-2)


def test_what_is_exported_is_a_merged_copy():
    module = filled()
    before = said(module.network)
    copied = adapters.exportable(module.network, quantised=False)
    torch.testing.assert_close(said(copied), before, atol=2e-5, rtol=0)
    assert not any("lora" in name for name in copied.state_dict())
    assert torch.equal(said(module.network), before)
    assert any("lora" in name for name in module.network.state_dict())


def test_without_adapter_the_network_itself_is_exported():
    module = seeded()
    assert adapters.exportable(module.network, quantised=False) is module.network


def test_nothing_is_merged_into_packed_weights(tmp_path):
    module = pretrained(save(tmp_path))
    before = {name: value.clone() for name, value in module.network.state_dict().items()}
    with pytest.raises(SetupError, match="quantised weights"):
        module.merge_adapter()
    assert all(torch.equal(value, before[name]) for name, value in module.network.state_dict().items())


def test_merging_shared_weights_is_refused_but_not_where_they_have_no_adapter():
    tied = {**LLAMA, "tie_word_embeddings": True}
    module = filled(tied)
    before = said(module.network)
    module.merge_adapter()
    torch.testing.assert_close(said(module.network), before, atol=2e-5, rtol=0)
    with pytest.raises(SetupError, match="two layers share"):
        filled(tied, lora=LoRA(r=2, targets=["lm_head"])).merge_adapter()


def test_an_adapter_of_embeddings_is_merged_too():
    module = seeded(LLAMA, LoRA(r=2, targets=["embed_tokens", "q_proj"])).eval()
    with torch.no_grad():
        for name, parameter in module.network.named_parameters():
            if "lora_" in name:
                parameter.normal_(generator=torch.Generator().manual_seed(1))
    before = said(module.network)
    module.merge_adapter()
    torch.testing.assert_close(said(module.network), before, atol=1e-4, rtol=0)
    with module.without_adapter():
        torch.testing.assert_close(said(module.network), before, atol=1e-4, rtol=0)
