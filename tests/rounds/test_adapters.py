"""Adapters from round to round: merged once, begun anew, and refused where that cannot be."""

from itertools import pairwise

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from lit_iterative.callbacks import Rounds
from lit_iterative.errors import SetupError
from lit_iterative.modules.backbone import LoRA
from lit_iterative.ops.language.builders.pairs import BestWorst
from lit_iterative.ops.language.builders.reference import ReferenceLogProbs
from lit_iterative.ops.language.propose.prompts import Prompts
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.rounds import Phase, Store, When
from lit_iterative.rounds.adapters import MergeAdapter, NewAdapter
from lit_iterative.rounds.sync import SyncContext
from lit_iterative.testing.tiny import Interruption
from tests.projects.saved import fit, seeded
from tests.projects.words import GPT2, LLAMA, SAMPLING, Closeness, data, trainer

A, B, BASE = ".lora_A.default.weight", ".lora_B.default.weight", ".base_layer.weight"


def context(round=1, seed=0):
    return SyncContext(round, seed, dict, lambda round: {})


def adapted(config=LLAMA, **options):
    """Return a policy whose adapter says something."""
    module = seeded(config, LoRA(r=2, alpha=6), **options)
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith(B):
                parameter.copy_(torch.randn(parameter.shape, generator=draw))
    return module


def logits(module):
    module.eval()
    with torch.no_grad():
        return module.network(torch.tensor([[1, 5, 14, 6, 15]])).logits


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def merged(weights, alpha_over_r, transposed=False):
    """Return the base of every layer with its adapter added, in float64 by the definition ``W + alpha/r B A``."""
    made = {}
    for name, value in weights.items():
        if name.endswith(BASE):
            layer = name.removesuffix(BASE)
            delta = weights[layer + B].double().numpy() @ weights[layer + A].double().numpy() * alpha_over_r
            made[name] = value.double().numpy() + (delta.T if transposed else delta)
    return made


@pytest.mark.parametrize("config", [LLAMA, GPT2])
def test_a_merge_adds_the_adapter_to_the_base_and_changes_nothing_that_is_said(config):
    module = adapted(config)
    before, said, objects = state(module), logits(module), [id(p) for p in module.parameters()]
    assert MergeAdapter().apply(module, context())
    wanted = merged(before, 3.0, transposed=config is GPT2)
    assert len(wanted) >= 8
    for name, base in wanted.items():
        np.testing.assert_allclose(module.state_dict()[name].numpy(), base, atol=1e-6)
    assert not any(value.any() for name, value in module.state_dict().items() if name.endswith(B))
    torch.testing.assert_close(logits(module), said, atol=2e-5, rtol=0)
    assert [id(p) for p in module.parameters()] == objects
    with module.without_adapter():
        torch.testing.assert_close(logits(module), said, atol=2e-5, rtol=0)


def test_a_new_adapter_leaves_the_base_as_it_was():
    module = adapted()
    before, said = state(module), logits(module)
    with module.without_adapter():
        of_base = logits(module)
    assert NewAdapter().apply(module, context())
    changed = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if name.endswith((A, B))}
    torch.testing.assert_close(logits(module), of_base)
    assert not torch.allclose(logits(module), said, atol=1e-3)


@pytest.mark.parametrize("policy", [MergeAdapter(), NewAdapter()])
def test_new_adapters_are_drawn_from_seed_and_round_alone(policy):
    def drawn(round, seed, *disturb):
        module = adapted()
        torch.manual_seed(*disturb)
        policy.apply(module, context(round, seed))
        return {name: value for name, value in module.state_dict().items() if name.endswith(A)}

    def same(a, b):
        return all(torch.equal(a[name], b[name]) for name in a)

    first = drawn(1, 0, 10)
    assert same(first, drawn(1, 0, 11))
    assert not same(first, drawn(2, 0, 10))
    assert not same(first, drawn(1, 1, 10))


def ops():
    return [Prompts(["answer"]), Sample(4, SAMPLING), Closeness(), BestWorst(), ReferenceLogProbs()]


def rounds(weights, **options):
    return Rounds([Phase(ops(), weights=weights, optimizer="reset")], When(1, 1), shard_size=4, **options)


def boundary(path, round):
    return torch.load(path / "rounds" / f"round-{round:05}" / "boundary.ckpt", weights_only=True)["state_dict"]


def end(path):
    return torch.load(path / "rounds" / "last.ckpt", weights_only=True)["state_dict"]


def test_each_round_merges_its_adapter_once(tmp_path):
    module = seeded(lora=LoRA(r=2, alpha=6))
    fit(tmp_path, module, rounds(MergeAdapter()), max_epochs=4)
    states = [boundary(tmp_path, round) for round in range(3)] + [end(tmp_path)]
    for before, after in pairwise(states):
        for name, base in merged(before, 3.0).items():
            np.testing.assert_allclose(after[name].numpy(), base, atol=1e-6)
            assert not np.allclose(before[name].numpy(), base, atol=1e-5)  # there was something to merge


def test_new_adapters_learn_on_the_base_of_the_start(tmp_path):
    module = seeded(lora=LoRA(r=2))
    before = state(module)
    fit(tmp_path, module, rounds(NewAdapter()), max_epochs=4)
    after = end(tmp_path)
    assert all(torch.equal(after[name], before[name]) for name in before if not name.endswith((A, B)))
    assert all(after[name].any() for name in before if name.endswith(B))
    first, second = (boundary(tmp_path, round) for round in (1, 2))
    assert any(not torch.allclose(first[name], second[name], atol=0.05) for name in before if name.endswith(A))


def rows(path):
    return [[shard.sha256 for shard in version.manifest.shards] for version in Store(path / "rounds").versions()]


class Stop(pl.Callback):
    """Dies in round 1: while its data are made, before its first step, or after it."""

    def __init__(self, moment):
        self.moment = moment

    def setup(self, trainer, pl_module, stage):
        self.rounds = next(callback for callback in trainer.callbacks if isinstance(callback, Rounds))
        if self.moment == "making":
            trainer.strategy.barrier = self.tick  # Rounds waits for all ranks between the steps of a round

    def tick(self, *_):
        if self.rounds.rounds_made == 1 and self.rounds.store.draft(1).begun:
            raise Interruption

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if self.moment == "merged" and self.rounds.rounds_made == 2:
            raise Interruption

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if self.moment == "trained" and self.rounds.rounds_made == 2:
            raise Interruption


def same_end(path, wanted):
    first, second = end(path), end(wanted)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("weights", [MergeAdapter(), NewAdapter()])
def test_a_run_that_dies_around_a_merge_ends_like_one_that_did_not(tmp_path, weights):
    def run(path, *also):
        fit(path, seeded(lora=LoRA(r=2)), rounds(weights), *also)

    run(tmp_path / "whole")
    for moment in ("making", "merged", "trained"):
        with pytest.raises(Interruption):
            run(tmp_path / moment, Stop(moment))
        made = [version.round for version in Store(tmp_path / moment / "rounds").versions()]
        assert made == ([0] if moment == "making" else [0, 1])
        run(tmp_path / moment)
        assert rows(tmp_path / moment) == rows(tmp_path / "whole")
        assert same_end(tmp_path / moment, tmp_path / "whole")


def test_a_run_from_a_checkpoint_in_the_middle_of_a_round_does_not_merge_again(tmp_path):
    saver = ModelCheckpoint(tmp_path / "saved", filename="{epoch}", save_top_k=-1)
    fit(tmp_path / "whole", seeded(lora=LoRA(r=2)), rounds(MergeAdapter()), saver, max_epochs=3)
    made = trainer(tmp_path / "again", [rounds(MergeAdapter(), dirpath=str(tmp_path / "whole" / "rounds"))])
    made.fit(seeded(lora=LoRA(r=2), seed=5), data(), ckpt_path=str(tmp_path / "saved" / "epoch=1.ckpt"))
    wanted = torch.load(tmp_path / "saved" / "epoch=2.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, wanted[name]) for name, value in made.lightning_module.state_dict().items())


@pytest.mark.parametrize(
    ("weights", "options", "message"),
    [
        (MergeAdapter(), {}, r"MergeAdapter\(\) needs a policy with an adapter.*Give LanguagePolicy a lora"),
        (NewAdapter(), {}, r"NewAdapter\(\) needs a policy with an adapter"),
        (MergeAdapter(), {"lora": LoRA(r=2), "save": "trained"}, r"save='trained'.*save: all.*NewAdapter\(\)"),
        (
            MergeAdapter(),
            {"config": {**LLAMA, "tie_word_embeddings": True}, "lora": LoRA(r=2, targets=["lm_head"])},
            r"Linear weights that two layers share.*LoRA\(targets",
        ),
    ],
)
def test_what_cannot_be_merged_is_refused_before_any_training(tmp_path, weights, options, message):
    with pytest.raises(SetupError, match=message):
        fit(tmp_path, seeded(**options), rounds(weights))
    assert not (tmp_path / "rounds").exists()


@pytest.mark.parametrize("weights", [MergeAdapter(), NewAdapter()])
def test_a_module_that_knows_no_adapters_is_refused(weights):
    with pytest.raises(SetupError, match=r"Adapter\(\) needs a module with an adapter, but Linear has no check_ad"):
        weights.check(nn.Linear(1, 1))
    with pytest.raises(SetupError, match="Use LanguagePolicy with a lora"):
        weights.apply(nn.Linear(1, 1), context())
