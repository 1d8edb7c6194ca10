"""BradleyTerryReward: the loss against its formula, training, and what is exported is what scores."""

import math
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.utils.data import DataLoader

from lit_iterative.batches import Collate
from lit_iterative.errors import DataError, SetupError
from lit_iterative.modules.alphabet import character_tokenizer
from lit_iterative.modules.reward_model import BradleyTerryReward, bradley_terry
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.reward import RewardModel
from lit_iterative.pool import Pool
from tests.judging.classifiers import BERT, LLAMA, saved
from tests.projects.words import trainer

ADAM = partial(torch.optim.AdamW, lr=1e-2)


def rows(count=24, seed=0):
    """Return pairs: completions with a 9 are better, whatever their length."""
    draw = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        prompt, chosen, rejected = (draw.integers(3, 9, size=draw.integers(1, 6)).tolist() for _ in range(3))
        chosen.insert(draw.integers(len(chosen) + 1), 9)
        made.append(
            {"prompt_ids": [1, *prompt], "chosen_ids": [*chosen, 2], "rejected_ids": [*rejected, 2], "weight": 1.0}
        )
    return made


def loader(given, module, batch_size=8):
    return DataLoader(given, batch_size, collate_fn=Collate(module.pad_id))


@pytest.mark.parametrize("margin", [0.0, 1.5])
def test_the_loss_is_its_formula(margin):
    pairs = [(0.0, 0.0), (1.0, -2.0), (-3.0, 0.5), (40.0, -40.0), (-300.0, 300.0)]
    chosen, rejected = torch.tensor(pairs, dtype=torch.float64).T.requires_grad_(True)
    losses = bradley_terry(chosen, rejected, margin)
    slopes = torch.autograd.grad(losses.sum(), chosen)[0]
    for (r_w, r_l), loss, slope in zip(pairs, losses.tolist(), slopes.tolist(), strict=True):
        z = r_w - r_l - margin
        expected = math.log1p(math.exp(-z)) if z > -50 else -z
        assert loss == pytest.approx(expected, rel=1e-12)
        assert slope == pytest.approx(-1 / (1 + math.exp(z)) if z < 300 else 0.0, rel=1e-12)


@pytest.mark.parametrize("config", [LLAMA, BERT], ids=["llama", "bert"])
def test_a_step_is_the_weighted_mean_over_pairs_scored_alone(config):
    module = BradleyTerryReward(config=config, margin=0.5)
    module.configure_model()
    module.network.eval()
    given = rows(5)
    for row, weight in zip(given, [1.0, 0.0, 2.0, 0.5, 1.0], strict=True):
        row["weight"] = weight
    logged = {}
    module.log = lambda name, value, **options: logged.update({name: float(value)})
    loss = module.training_step(Collate(module.pad_id)(given), 0)
    expected, right = 0.0, 0
    with torch.no_grad():
        for row in given:
            sides = [
                float(module.network(torch.tensor([row["prompt_ids"] + row[f"{side}_ids"]])).logits)
                for side in ("chosen", "rejected")
            ]
            expected += row["weight"] * math.log1p(math.exp(-(sides[0] - sides[1] - 0.5))) / len(given)
            right += sides[0] > sides[1]
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert logged == {"train_loss": pytest.approx(expected, rel=1e-5), "train_accuracy": pytest.approx(right / 5)}


def test_it_learns_what_is_preferred_and_the_op_reads_what_it_exports(tmp_path):
    module = BradleyTerryReward(config=LLAMA, optimizer=ADAM)
    held_out = rows(40, seed=1)
    run = trainer(tmp_path, [], max_epochs=12)
    run.fit(module, loader(rows(48), module), loader(held_out, module))
    assert run.callback_metrics["val_accuracy"] > 0.9
    assert run.callback_metrics["val_loss"] < 0.4
    module.export(str(tmp_path / "reward"))
    module.eval()
    batch = Collate(module.pad_id)(held_out)
    with torch.no_grad():
        chosen, rejected = (side.tolist() for side in module.rewards(batch))
    for side, rewards in (("chosen", chosen), ("rejected", rejected)):
        table = pa.table(
            {
                "id": range(40),
                "text": [""] * 40,
                "prompt_ids": [row["prompt_ids"] for row in held_out],
                "completion_ids": [row[f"{side}_ids"] for row in held_out],
            }
        )
        op = RewardModel(str(tmp_path / "reward"), reading="ids", device="cpu")
        made = op(table, Context(Pool([0], 1)))
        assert made["scores.reward"].to_pylist() == pytest.approx(rewards, rel=1e-4, abs=1e-5)


def test_it_starts_from_a_causal_model_and_takes_its_tokenizer_along(tmp_path):
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    base = AutoModelForCausalLM.from_config(AutoConfig.for_model(**LLAMA))
    base.save_pretrained(str(tmp_path / "base"))
    character_tokenizer("abcd").save_pretrained(str(tmp_path / "base"))
    modules = [BradleyTerryReward(str(tmp_path / "base"), seed=seed) for seed in (0, 0, 1)]
    state = torch.get_rng_state()
    for module in modules:
        module.configure_model()
    assert torch.equal(state, torch.get_rng_state())
    heads = [module.network.score.weight for module in modules]
    assert heads[0].shape == (1, 16)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    assert torch.equal(modules[0].network.model.embed_tokens.weight, base.model.embed_tokens.weight)
    assert modules[0].network.training
    modules[0].export(str(tmp_path / "reward"))
    assert AutoTokenizer.from_pretrained(str(tmp_path / "reward")).get_vocab()["a"] == 4


def test_it_goes_on_from_a_reward_model(tmp_path):
    module = BradleyTerryReward(saved(tmp_path))
    module.configure_model()
    before = module.network.score.weight.clone()
    module.configure_model()  # once only
    assert torch.equal(module.network.score.weight, before)


def test_a_run_that_stops_goes_on(tmp_path):
    module = BradleyTerryReward(config=LLAMA, optimizer=ADAM)
    run = trainer(tmp_path, [], max_epochs=1, enable_checkpointing=True)
    run.fit(module, loader(rows(8), module))
    run.save_checkpoint(tmp_path / "last.ckpt")
    other = BradleyTerryReward(config=LLAMA, optimizer=ADAM, seed=5)
    trainer(tmp_path, [], max_epochs=1).fit(other, loader(rows(8), other), ckpt_path=str(tmp_path / "last.ckpt"))
    for name, value in module.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


@pytest.mark.parametrize("wrong", [{}, {"path": "a", "config": LLAMA}, {"config": {"hidden_size": 4}}])
def test_bad_parameters_are_refused(wrong):
    with pytest.raises(SetupError, match="Give"):
        BradleyTerryReward(**wrong)


def test_batches_without_pairs_are_refused():
    module = BradleyTerryReward(config=LLAMA)
    module.configure_model()
    with pytest.raises(DataError, match="trained on pairs, but the batch holds Completions.*BestWorst"):
        module.training_step(Collate(0)([{"prompt_ids": [1], "completion_ids": [5, 2]}]), 0)
