"""LanguagePolicy: rounds of preference training in a real fit, against oracles that know nothing of rounds."""

import copy
import math
from dataclasses import dataclass, field, replace
from typing import ClassVar

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from lit_iterative.batches import Collate
from lit_iterative.callbacks import EMATeacher, Rounds
from lit_iterative.datamodules import PromptData
from lit_iterative.errors import DataError, SetupError
from lit_iterative.losses.split import obstacle
from lit_iterative.modules.backbone import LoRA
from lit_iterative.ops.actors import EMA, Actor, AtRound, Base, Ensemble, Initial, Policy, Previous
from lit_iterative.ops.language.builders.pairs import BestWorst
from lit_iterative.ops.language.builders.reference import ReferenceLogProbs
from lit_iterative.ops.language.propose.prompts import Prompts
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.op import Op
from lit_iterative.ops.schedule import EveryK
from lit_iterative.rounds import Phase, Store, When
from tests.projects.saved import fit, pretrained, save, seeded
from tests.projects.words import GPT2, LLAMA, SAMPLING, Closeness, data, pairs, policy, trainer

REFERENCES = {
    "policy": Policy(),
    "initial": Initial(),
    "at_0": AtRound(0),
    "every_2": AtRound(EveryK(2)),
    "previous": Previous(),
    "ema": EMA(),
    "mixture": Ensemble([Policy(), AtRound(0)]),
}


def test_two_rounds_of_pairs(tmp_path):
    callback, module = pairs(), policy()
    run = trainer(tmp_path, [callback])
    run.fit(module, data())
    first, second = callback.store.versions()
    assert first.manifest.rows
    assert second.manifest.rows
    assert first.manifest.weights != second.manifest.weights
    assert torch.isfinite(run.callback_metrics["rewards/margins"])


# ---- references -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Named(Op):
    """The reference of an actor, in a column of its own."""

    name: str = ""
    actor: Actor = field(default_factory=Policy)
    runs_model: ClassVar[bool] = True

    @property
    def requires(self):
        return ("prompt_ids", "chosen_ids", "rejected_ids")

    @property
    def provides(self):
        return (self.name,)

    def __call__(self, table, context):
        made = ReferenceLogProbs(self.actor)(table, context)
        return table.append_column(self.name, made.column("chosen_ref_logp"))


def exact(network, prompt, completion):
    """Return the log-probability of a completion: one row, nothing padded, float64, token by token."""
    ids = [*prompt, *completion]
    with torch.no_grad():
        logits = network(input_ids=torch.tensor([ids])).logits[0].double().numpy()
    total = 0.0
    for place in range(len(prompt), len(ids)):
        row = logits[place - 1]
        total += row[ids[place]] - row.max() - math.log(sum(math.exp(value - row.max()) for value in row))
    return total


def with_weights(module, weights, adapter=True):
    """Return another network of the same kind with these weights, in float64."""
    other = copy.deepcopy(module)
    other.load_state_dict({**other.state_dict(), **weights})
    if not adapter:
        for name, value in other.network.named_parameters():
            if "lora_B" in name:
                value.data.zero_()
    return other.network.double().eval()


def checkpoint(path, name):
    return torch.load(path / "rounds" / name, weights_only=True)


@pytest.mark.parametrize("lora", [None, LoRA(r=2, alpha=8, dropout=0.3)], ids=["full fine-tuning", "lora with dropout"])
def test_every_reference_is_scored_with_the_weights_that_it_names(tmp_path, lora):
    actors = REFERENCES if lora is None else {**REFERENCES, "base": Base()}
    ops = [Prompts(["answer"]), Sample(4, SAMPLING), Closeness(), BestWorst(), ReferenceLogProbs()]
    ops += [Named(name, actor) for name, actor in actors.items()]
    module = seeded({**LLAMA, "attention_dropout": 0.3}, lora)
    untrained = copy.deepcopy(module)
    fit(tmp_path, module, Rounds([Phase(ops)], When(1, 1), shard_size=5), EMATeacher(0.8), max_epochs=4)
    bounds = [checkpoint(tmp_path, f"round-{round:05}/boundary.ckpt") for round in range(3)]
    states = [bound["state_dict"] for bound in bounds]
    initial = checkpoint(tmp_path, "initial.pt")
    seen = set()
    for version in Store(tmp_path / "rounds").versions():
        round, rows = version.round, version.table().to_pylist()
        average = bounds[round]["callbacks"]["EMATeacher"]["average"]
        weights = {
            "policy": states[round], "initial": initial, "at_0": states[0], "every_2": states[round // 2 * 2],
            "previous": states[max(round - 1, 0)], "ema": average,
        }  # fmt: skip
        networks = {name: with_weights(untrained, value) for name, value in weights.items()}
        networks["base"] = with_weights(untrained, states[round], adapter=False)
        for row in rows:
            wanted = {name: exact(net, row["prompt_ids"], row["chosen_ids"]) for name, net in networks.items()}
            wanted["mixture"] = math.log((math.exp(wanted["policy"]) + math.exp(wanted["at_0"])) / 2)
            for name in actors:
                assert row[name] == pytest.approx(wanted[name], abs=1e-4), (round, name)
            assert row["chosen_ref_logp"] == row["policy"]
            rejected = exact(networks["policy"], row["prompt_ids"], row["rejected_ids"])
            assert row["rejected_ref_logp"] == pytest.approx(rejected, abs=1e-4)
            seen.add((round, *(f"{wanted[name]:.3f}" for name in ("policy", "initial", "at_0", "previous", "ema"))))
    apart = [row for row in seen if row[0] == 2 and len(set(row)) == 6]
    assert len(apart) >= 3  # the references differ, so that one cannot pass for another


def test_the_second_round_samples_with_the_weights_of_its_time(tmp_path):
    module = seeded()
    untrained = copy.deepcopy(module)
    greedy = replace(SAMPLING, temperature=0.0)
    ops = [Prompts(["answer"]), Sample(1, greedy)]
    fit(tmp_path, module, Rounds([Phase([*ops, Keep()])], When(1, 1)))
    for version in Store(tmp_path / "rounds").versions():
        weights = checkpoint(tmp_path, f"round-{version.round:05}/boundary.ckpt")["state_dict"]
        network = with_weights(untrained, weights)
        for row in version.table().to_pylist():
            ids = list(row["prompt_ids"])
            for token in row["completion_ids"]:
                with torch.no_grad():
                    assert int(network(input_ids=torch.tensor([ids])).logits[0, -1].argmax()) == token
                ids.append(token)


@dataclass(frozen=True)
class Keep(Op):
    """Keeps completions to train on as they are."""

    @property
    def requires(self):
        return ("completion_ids",)

    def __call__(self, table, context):
        return table


# ---- dropout and modes ------------------------------------------------------------------------------------


class Modes(pl.Callback):
    """Notes whether the same batch gives the same loss twice, in training and while a round is made."""

    def __init__(self):
        self.training, self.same = [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.training.append({module.training for module in pl_module.network.modules()})
        with torch.no_grad():
            ids = batch.sequences.input_ids
            self.same.append(bool(torch.equal(*(pl_module.network(input_ids=ids).logits for _ in range(2)))))


@pytest.mark.parametrize(
    ("config", "lora"),
    [(GPT2, None), ({**LLAMA, "attention_dropout": 0.5}, None), (LLAMA, LoRA(r=2, dropout=0.5))],
    ids=["gpt2", "attention", "lora"],
)
def test_dropout_is_active_in_training_and_in_no_reference(tmp_path, config, lora):
    modes = Modes()
    module = seeded(config, lora)
    with torch.no_grad():
        for name, value in module.network.named_parameters():
            if "lora_B" in name:
                value.normal_()  # else the adapter's dropout has nothing to drop
    fit(tmp_path, module, pairs(), modes)  # whose check of the reference fails where dropout is on
    assert all(kinds == {True} for kinds in modes.training)
    assert not any(modes.same)
    assert len(list(Store(tmp_path / "rounds").versions())) == 2


def test_a_layer_that_is_frozen_in_evaluation_mode_stays_so(tmp_path):
    module = seeded(GPT2)
    frozen = module.network.transformer.h[0]
    frozen.eval()
    modes = Modes()
    fit(tmp_path, module, pairs(), modes)
    assert not any(part.training for part in frozen.modules())
    assert module.network.transformer.h[1].training


# ---- gradient checkpointing -------------------------------------------------------------------------------


def batch_of_pairs(module):
    rows = [
        {"prompt_ids": module.encode("1+2="), "chosen_ids": [7, 2], "rejected_ids": [8, 9, 2]},
        {"prompt_ids": module.encode("11+2="), "chosen_ids": [5, 7, 2], "rejected_ids": [6, 2]},
    ]
    known = {"chosen_ref_logp": -5.0, "rejected_ref_logp": -4.0, "weight": 1.0}
    return Collate(module.pad_id)([{**row, **known} for row in rows])


def loss_and_gradients(module):
    from lit_iterative.losses.log_probs import score

    batch = batch_of_pairs(module)
    torch.manual_seed(0)
    loss = module.objective.losses(batch, score(module.network.train(), batch.sequences), lambda x: x).mean()
    loss.backward()
    gradients = {name: p.grad for name, p in module.network.named_parameters() if p.requires_grad}
    assert all(gradient is not None for gradient in gradients.values())
    return loss.detach(), gradients


@pytest.mark.parametrize("config", [LLAMA, GPT2], ids=["llama", "gpt2"])
@pytest.mark.parametrize("lora", [None, LoRA(r=2)], ids=["full", "lora"])
def test_gradient_checkpointing_changes_no_gradient(config, lora):
    kept = loss_and_gradients(seeded(config, lora))
    module = seeded(config, lora, gradient_checkpointing=True)
    assert obstacle(module.network) is None  # with forward passes of its own, once
    runs = []
    layer = next(part for part in module.network.modules() if type(part).__name__ in ("LlamaMLP", "GPT2MLP"))
    layer.register_forward_pre_hook(lambda *_: runs.append(1))
    again = loss_and_gradients(module)
    assert len(runs) == 2  # once forward, once more for the backward pass
    torch.testing.assert_close(again, kept, atol=1e-5, rtol=0)


def test_gradient_checkpointing_of_four_bits_changes_no_gradient(tmp_path):
    path = save(tmp_path)
    kept = loss_and_gradients(pretrained(path))
    torch.testing.assert_close(loss_and_gradients(pretrained(path, gradient_checkpointing=True)), kept)


def test_gradient_checkpointing_in_a_fit(tmp_path):
    def end(path, **options):
        module = seeded(**options)
        fit(path, module, pairs())
        return {name: value.clone() for name, value in module.state_dict().items()}

    torch.testing.assert_close(
        end(tmp_path / "a", lora=LoRA(r=2), gradient_checkpointing=True),
        end(tmp_path / "b", lora=LoRA(r=2)),
        atol=1e-5,
        rtol=0,
    )


# ---- precision --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
@pytest.mark.parametrize("lora", [None, LoRA(r=2)], ids=["full", "lora"])
def test_other_precisions_keep_the_reference(tmp_path, precision, lora):
    class First(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if batch_idx == 0 and trainer.current_epoch:
                losses.append(float(outputs["loss"]))

    losses: list[float] = []
    fit(tmp_path, seeded(lora=lora), pairs(), First(), precision=precision)
    assert losses == pytest.approx([math.log(2)] * 2, abs=1e-3 if precision == "64-true" else 0.02)


# ---- refused ----------------------------------------------------------------------------------------------


def test_base_needs_an_adapter(tmp_path):
    with pytest.raises(SetupError, match=r"Base\(\) needs a policy with an adapter.*Give LanguagePolicy a lora"):
        fit(tmp_path, seeded(), pairs(reference=Base()))


def test_an_example_longer_than_the_context_is_refused():
    module = seeded()
    assert module.context == 32
    with pytest.raises(DataError, match=r"has 6 \+ 27 tokens.*context is 32: '11\+2='"):
        module.encode_example("11+2=", "1" * 26)
    before, after = module.encode_example("11+2=", "1" * 25)
    assert len(before) + len(after) == 32


def test_a_prompt_without_room_is_refused_before_anything_is_sampled(tmp_path):
    items = [{"prompt": "1+1=", "answer": "2"}] * 8 + [{"prompt": "1" * 31, "answer": "2"}]
    module = seeded()
    module.generate = lambda *_: pytest.fail("sampled")
    ops = [Prompts(["answer"]), Sample(2, SAMPLING), Keep()]
    made = trainer(tmp_path, [Rounds([Phase(ops)], When(), shard_size=2)])
    with pytest.raises(DataError, match=r"has 32 tokens, but the model's context is 32.*max_prompt_tokens"):
        made.fit(module, PromptData(items))


def test_scores_of_a_batch_are_those_of_single_rows():
    module = seeded(GPT2)
    module.eval()
    prompts = [module.encode(text) for text in ("1+2=", "11+22=", "1=")]
    completions = [[5, 2], [6, 7, 8, 9, 2], [4]]
    together = module.log_probs(prompts, completions, details=True)
    for prompt, completion, found in zip(prompts, completions, together, strict=True):
        alone = module.log_probs([prompt], [completion], details=True)[0]
        np.testing.assert_allclose(found.log_probs, alone.log_probs, atol=1e-5)
        np.testing.assert_allclose(found.entropy, alone.entropy, atol=1e-5)
        np.testing.assert_allclose(found.uniform, alone.uniform, atol=1e-5)


@pytest.mark.parametrize(("interval", "steps"), [("epoch", 2), ("step", 4)])
def test_the_schedule_steps_at_its_interval(tmp_path, interval, steps):
    def halved(optimizer):
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)

    run = trainer(tmp_path, [], max_epochs=2)
    run.fit(policy(lr_scheduler=halved, lr_interval=interval), data())
    assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(5e-3 * 0.5**steps)


def test_a_trainer_that_never_logs_trains(tmp_path):
    run = trainer(tmp_path, [], max_epochs=1, log_every_n_steps=0)
    run.fit(policy(), data())
    assert run.global_step > 0
    assert "logps/completion" not in run.callback_metrics
