"""Checkpoints of what is trained alone: quantised bases and plain LoRA, resumed, proved and refused."""

import os

import lightning.pytorch as pl
import pytest
import torch

from lit_iterative.errors import SetupError
from lit_iterative.modules.backbone import LoRA
from lit_iterative.modules.language import LanguagePolicy
from lit_iterative.modules.trained import PROOF, check_restored, fingerprint
from lit_iterative.ops.actors import Base
from lit_iterative.rounds import ReinitFromBase, RollBack, Store
from lit_iterative.rounds.adapters import MergeAdapter, NewAdapter
from lit_iterative.testing.tiny import Interruption
from tests.projects.saved import NF4, fit, pretrained, save, seeded
from tests.projects.words import SAMPLING, pairs


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a small Llama."""
    return save(tmp_path_factory.mktemp("model"))


class Stop(pl.Callback):
    """Dies in the middle of the training on round 1."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == 2:
            raise Interruption


def end(path):
    return torch.load(path / "rounds" / "last.ckpt", weights_only=True)["state_dict"]


def rows(path):
    return [[shard.sha256 for shard in version.manifest.shards] for version in Store(path / "rounds").versions()]


def check_resumes(path, policy, **options):
    """A run that dies in its second round and is started again ends like one that did not."""
    fit(path / "whole", policy(), pairs(), **options)
    with pytest.raises(Interruption):
        fit(path / "parts", policy(), pairs(), Stop(), **options)
    fit(path / "parts", policy(), pairs(), **options)
    first, second = end(path / "parts"), end(path / "whole")
    assert len(rows(path / "whole")) == 2
    assert rows(path / "parts") == rows(path / "whole")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    return first


@pytest.mark.parametrize(
    ("settings", "precision"),
    [
        ({}, "32-true"),
        ({"bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": "bfloat16"}, "bf16-mixed"),
        ({"bnb_4bit_compute_dtype": "bfloat16"}, "bf16-true"),
        ({"bnb_4bit_compute_dtype": "float16"}, "16-mixed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_quantised_base_is_trained_in_rounds_and_resumed(tmp_path, saved, settings, precision):
    def policy():
        module = pretrained(saved, {**NF4, **settings})
        packed.append([weight.data.clone() for weight in quantised(module)])
        return module

    def quantised(module):
        found = [weight for weight in module.parameters() if type(weight).__name__ == "Params4bit"]
        assert len(found) == 14
        assert all(weight.dtype == torch.uint8 for weight in found)
        return found

    packed: list[list[torch.Tensor]] = []
    module = policy()
    state = check_resumes(tmp_path, policy, precision=precision)
    fit(tmp_path / "whole", module, pairs(), precision=precision)  # finds itself done
    for before, weight in zip(packed[0], quantised(module), strict=True):
        assert torch.equal(before, weight.data)
    assert {name.rsplit(".", 3)[-3] for name in state if name != PROOF} == {"lora_A", "lora_B"}
    assert all(value.any() for name, value in state.items())  # B was 0, and is trained
    size = sum(value.numel() for value in state.values())
    assert size == 2 * 4 * (7 * (64 + 64)) + 32
    assert os.path.getsize(tmp_path / "whole" / "rounds" / "round-00001" / "boundary.ckpt") < 250_000


def test_plain_lora_saves_what_is_trained_and_resumes(tmp_path):
    state = check_resumes(tmp_path, lambda: seeded(lora=LoRA(r=2), save="trained"))
    assert all("lora" in name or name == PROOF for name in state)


def test_full_fine_tuning_may_save_what_is_trained(tmp_path):
    state = check_resumes(tmp_path, lambda: seeded(save="trained"))
    assert {PROOF} == set(state) - {name for name, _ in seeded().named_parameters()}


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_true_precisions_resume(tmp_path, precision):
    check_resumes(tmp_path, lambda: seeded(lora=LoRA(r=2), save="trained"), precision=precision)


def test_new_adapters_and_the_base_as_reference_on_a_quantised_base(tmp_path, saved):
    module = pretrained(saved)
    fit(tmp_path, module, pairs(weights=NewAdapter(), reference=Base()))
    base = pretrained(saved).eval()
    for row in list(Store(tmp_path / "rounds").versions())[1].table().to_pylist():
        found = base.log_probs([row["prompt_ids"]], [row["chosen_ids"]])[0].sum
        assert row["chosen_ref_logp"] == pytest.approx(found, abs=1e-4)


def test_the_same_checkpoint_loads_without_a_trainer(tmp_path, saved):
    module = pretrained(saved)
    fit(tmp_path, module, pairs())
    path = tmp_path / "rounds" / "last.ckpt"
    made = {"backbone": module.backbone, "lora": module.lora}
    again = LanguagePolicy.load_from_checkpoint(path, weights_only=True, **made)
    prompts = [again.encode("1+2=")]
    module.eval(), again.eval()
    assert again.generate(prompts, [3], SAMPLING) == module.generate(prompts, [3], SAMPLING)
    assert again.log_probs(prompts, [[5, 2]])[0].sum == module.log_probs(prompts, [[5, 2]])[0].sum


@pytest.mark.parametrize("weights", [ReinitFromBase(), RollBack("train_loss", "max")])
def test_weights_of_before_come_back_into_a_policy_that_saves_what_is_trained(tmp_path, saved, weights):
    starts = {}

    class Start(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if batch_idx == 0:
                starts[trainer.current_epoch] = {k: v.clone() for k, v in pl_module.state_dict().items()}

    fit(tmp_path, pretrained(saved), pairs(weights=weights), Start())
    first = starts[0] if isinstance(weights, ReinitFromBase) else starts[1]
    assert all(torch.equal(starts[2][name], first[name]) for name in first)


# ---- proofs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"seed": 1}, {"scale": 2.0}], ids=["another model", "the same bits, other scales"])
@pytest.mark.parametrize("quantisation", [NF4, {}], ids=["nf4", "plain"])
def test_another_base_is_refused(tmp_path, saved, change, quantisation):
    state = pretrained(saved, quantisation, save="trained").state_dict()
    other = pretrained(save(tmp_path, **change), quantisation, save="trained")
    with pytest.raises(SetupError, match=r"base has other weights.*path, revision, dtype, quantisation"):
        other.load_state_dict(state)


def test_the_proof_is_the_same_in_every_process_and_does_not_depend_on_the_adapter(saved):
    first, second = pretrained(saved), pretrained(saved, lora=LoRA(r=8))
    assert torch.equal(first.state_dict()[PROOF], second.state_dict()[PROOF])
    assert torch.equal(fingerprint(first.network), first.state_dict()[PROOF])


@pytest.mark.parametrize(
    ("saves", "loads", "message"),
    [
        ({}, {"lora": LoRA(r=4)}, r"lacks 28 of 28 trained parameters.*lora_A"),
        ({"lora": LoRA(r=2)}, {"lora": LoRA(r=4)}, r"or has them in other shapes.*LoRA \(rank, targets\)"),
        ({"lora": LoRA(r=4, targets=["q_proj"])}, {"lora": LoRA(r=4)}, r"lacks 24 of 28"),
        ({"lora": LoRA(r=4)}, {"lora": LoRA(r=4, targets=["q_proj"])}, r"holds 24 tensors that are not trained here"),
        ({"lora": LoRA(r=4), "save": "all"}, {"lora": LoRA(r=4)}, r"is not the trained part.*the option save"),
    ],
    ids=["no adapter", "another rank", "fewer targets", "more targets", "all weights"],
)
def test_a_checkpoint_of_another_policy_is_refused(saves, loads, message):
    state = seeded(**{"save": "trained", **saves}).state_dict()
    with pytest.raises(SetupError, match=message):
        seeded(save="trained", **loads).load_state_dict(state)


def test_a_checkpoint_without_proof_is_refused():
    module = seeded(lora=LoRA(r=2), save="trained")
    state = module.state_dict()
    del state[PROOF]
    with pytest.raises(SetupError, match="not the trained part"):
        module.load_state_dict(state)


def test_what_did_not_arrive_is_told():
    module = seeded(lora=LoRA(r=2), save="trained")
    state = {name: value.clone() for name, value in module.state_dict().items()}
    name = next(name for name in state if "lora_B" in name)
    state[name] += 1
    with pytest.raises(SetupError, match=r"lora_B.* was not restored.*saved with mean 1, it now has 0"):
        check_restored(module, state)


# ---- refused ----------------------------------------------------------------------------------------------


def test_a_quantised_base_needs_an_adapter_and_saves_only_it(saved):
    for options in ({"lora": None}, {"save": "all"}):
        with pytest.raises(SetupError, match="A quantised policy trains an adapter.*Give it a lora"):
            pretrained(saved, **options)


def test_an_adapter_is_not_merged_into_a_quantised_base(tmp_path, saved):
    with pytest.raises(SetupError, match=r"quantised weights without rounding.*NewAdapter\(\)"):
        fit(tmp_path, pretrained(saved), pairs(weights=MergeAdapter()))
    assert not (tmp_path / "rounds").exists()
