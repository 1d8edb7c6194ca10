"""Export: a plain folder that transformers loads, whole or absent."""

import os
import warnings

import lightning.pytorch as pl
import pytest
import torch

from lit_iterative.callbacks.export import Export
from lit_iterative.errors import SetupError
from lit_iterative.modules.backbone import LoRA
from lit_iterative.modules.language import LanguagePolicy
from lit_iterative.rounds.adapters import MergeAdapter
from tests.projects.saved import fit, pretrained, save, seeded
from tests.projects.tiny import TinyModule, TinyRefreshable
from tests.projects.words import GPT2, LLAMA, data, pairs, trainer

IDS = torch.tensor([[1, 5, 14, 6, 15]])


def said(network):
    network.eval()
    with torch.no_grad():
        return network(input_ids=IDS).logits


def loaded(folder, **options):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert AutoTokenizer.from_pretrained(folder)("1+2=")["input_ids"] == [5, 14, 6, 15]
    return AutoModelForCausalLM.from_pretrained(folder, **options)


def names(folder):
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("config", [LLAMA, GPT2, {**LLAMA, "tie_word_embeddings": True}], ids=["llama", "gpt2", "tied"])
@pytest.mark.parametrize("lora", [None, LoRA(r=2)], ids=["full", "lora"])
def test_the_end_of_a_fit_loads_with_equal_logits(tmp_path, config, lora):
    module = seeded(config, lora)
    fit(tmp_path, module, pairs(), Export(str(tmp_path / "made")), max_epochs=2)
    network = loaded(tmp_path / "made" / "final")
    assert type(network) is type(seeded(config).network)
    torch.testing.assert_close(said(network), said(module.network), atol=2e-5, rtol=0)
    assert not torch.allclose(said(network), said(seeded(config).network), atol=1e-3)
    assert names(tmp_path / "made") == ["final"]


def test_every_round_is_exported_as_it_was_trained(tmp_path):
    seen = {}

    class Note(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            seen[trainer.current_epoch] = said(pl_module.network)
            pl_module.network.train()

    module = seeded(lora=LoRA(r=2))
    callbacks = [Export(str(tmp_path / "made"), every_round=True), Note()]
    fit(tmp_path, module, pairs(weights=MergeAdapter()), *callbacks, max_epochs=3)
    assert names(tmp_path / "made") == ["final", "round-00000", "round-00001"]
    for folder, epoch in (("round-00000", 1), ("round-00001", 2), ("final", 2)):
        torch.testing.assert_close(said(loaded(tmp_path / "made" / folder)), seen[epoch], atol=2e-5, rtol=0)
    assert not torch.allclose(seen[1], seen[2], atol=1e-3)


def test_the_same_command_exports_a_run_that_was_stopped_at_its_end(tmp_path):
    fit(tmp_path, seeded(), pairs())
    module = seeded(seed=4)
    fit(tmp_path, module, pairs(), Export(str(tmp_path / "made")))
    state = torch.load(tmp_path / "rounds" / "last.ckpt", weights_only=True)["state_dict"]
    exported = loaded(tmp_path / "made" / "final").state_dict()
    assert all(torch.equal(value, state[f"network.{name}"]) for name, value in exported.items())


def test_of_a_quantised_base_the_adapter_is_exported(tmp_path):
    from peft import AutoPeftModelForCausalLM

    path = save(tmp_path / "model")
    module = pretrained(path)
    fit(tmp_path, module, pairs(), Export(str(tmp_path / "made")))
    folder = tmp_path / "made" / "final"
    assert {"adapter_config.json", "adapter_model.safetensors"} <= set(names(folder))
    assert not {"config.json", "model.safetensors"} & set(names(folder))
    assert sum(os.path.getsize(folder / name) for name in names(folder) if "model" in name) < 40_000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantised = module.backbone._quantisation()
        network = AutoPeftModelForCausalLM.from_pretrained(folder, quantization_config=quantised)
    torch.testing.assert_close(said(network), said(module.network), atol=0.05, rtol=0)
    assert not torch.allclose(said(network), said(pretrained(path).network), atol=0.05)


@pytest.mark.parametrize("precision", ["bf16-true", "bf16-mixed"])
def test_the_type_of_the_weights_is_kept(tmp_path, precision):
    fit(tmp_path, seeded(lora=LoRA(r=2)), pairs(), Export(str(tmp_path / "made")), precision=precision)
    kinds = {weight.dtype for weight in loaded(tmp_path / "made" / "final").parameters()}
    assert kinds == {torch.bfloat16 if precision == "bf16-true" else torch.float32}


# ---- whole or absent --------------------------------------------------------------------------------------


def failing(module):
    """Let the second half of an export fail."""

    def refuse(folder):
        raise OSError(f"no space left for the tokenizer in {folder}")

    module.codec.tokenizer.save_pretrained = refuse
    return module


def test_an_export_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="no space left"):
        failing(seeded()).export(str(tmp_path / "made"))
    assert names(tmp_path) == []


def test_an_export_that_fails_leaves_the_one_before(tmp_path):
    first = seeded()
    first.export(str(tmp_path / "made"))
    with pytest.raises(OSError, match="no space left"):
        failing(seeded(seed=3)).export(str(tmp_path / "made"))
    assert names(tmp_path) == ["made"]
    assert torch.equal(said(loaded(tmp_path / "made")), said(first.network))


def test_an_export_replaces_the_one_before_with_all_its_files(tmp_path):
    seeded().export(str(tmp_path / "made"))
    (tmp_path / "made" / "old.bin").write_bytes(b"old")
    (tmp_path / ".made.new").mkdir()  # a run was killed here
    (tmp_path / ".made.new" / "half.bin").write_bytes(b"half")
    module = seeded(GPT2)
    module.export(str(tmp_path / "made"))
    assert names(tmp_path) == ["made"]
    assert not {"old.bin", "half.bin"} & set(names(tmp_path / "made"))
    assert torch.equal(said(loaded(tmp_path / "made")), said(module.network))


def test_a_folder_of_something_else_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(SetupError, match="is there already and is no model.*Choose another"):
        seeded().export(str(tmp_path))
    assert names(tmp_path) == ["thesis.tex"]
    (tmp_path / "empty").mkdir()
    seeded().export(str(tmp_path / "empty"))
    assert "config.json" in names(tmp_path / "empty")


def test_a_policy_that_never_trained_can_be_exported(tmp_path):
    backbone = seeded().backbone
    LanguagePolicy(backbone).export(str(tmp_path / "made"))
    assert torch.equal(said(loaded(tmp_path / "made")), said(seeded().network))


# ---- refused ----------------------------------------------------------------------------------------------


def test_a_module_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(SetupError, match=r"TinyModule has no export\(folder\).*LanguagePolicy"):
        trainer(tmp_path, [Export("made")]).fit(TinyModule(), TinyRefreshable())


def test_without_rounds_there_are_none_to_follow(tmp_path):
    with pytest.raises(SetupError, match=r"every_round=True\) has no rounds to follow.*PreferencePairs"):
        trainer(tmp_path, [Export("made", every_round=True)]).fit(seeded(), data())


def test_a_trial_leaves_nothing(tmp_path):
    fit(tmp_path, seeded(), pairs(), Export(str(tmp_path / "made"), every_round=True), fast_dev_run=True)
    assert not (tmp_path / "made").exists()
