"""The best round is kept, and is what a run ends with."""

import json

import pytest
import torch

from lit_iterative.callbacks import PseudoLabels
from lit_iterative.callbacks.best_round import BestRound
from lit_iterative.callbacks.export import Export
from lit_iterative.errors import SetupError
from lit_iterative.rounds.weights import tensors_of
from tests.callbacks.test_guards import Scripted
from tests.projects.saved import fit as fit_language
from tests.projects.saved import seeded
from tests.projects.tiny import TinyModule, fit
from tests.projects.words import pairs


class Falling(Scripted):
    scores = (0.5, 0.6, 0.9, 0.7, 0.8, 0.4, 0.3, 0.2)


class Rising(Scripted):
    scores = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def run(folder, module=Falling, *also, **options):
    callbacks = [BestRound("score"), PseudoLabels(0.4, warmup_epochs=1), *also]
    return fit(str(folder), callbacks, module=module, **{"max_epochs": 5, **options})


def weights(folder, name):
    return torch.load(folder / "rounds" / name, weights_only=True)["state_dict"]


def same(made, state):
    return all(torch.equal(value, state[name]) for name, value in tensors_of(made.lightning_module).items())


def note(folder):
    return json.loads((folder / "rounds" / "best" / "best.json").read_text())


def test_the_module_ends_with_the_weights_of_the_best_round(tmp_path):
    made = run(tmp_path)
    assert (note(tmp_path)["rounds"], note(tmp_path)["ended"]) == (2, False)
    assert note(tmp_path)["value"] == pytest.approx(0.9)
    assert same(made, weights(tmp_path, "round-00002/boundary.ckpt"))
    assert same(made, weights(tmp_path, "best/start-00002.ckpt"))
    assert not same(made, weights(tmp_path, "last.ckpt"))


def test_to_be_small_is_the_other_way_round(tmp_path):
    made = fit(
        str(tmp_path), [PseudoLabels(0.4, warmup_epochs=1), BestRound("score", "min")], module=Falling, max_epochs=5
    )
    assert same(made, weights(tmp_path, "round-00000/boundary.ckpt"))


def test_the_end_may_be_the_best_and_is_kept_when_the_fit_goes_on(tmp_path):
    made = run(tmp_path, Rising)
    assert same(made, weights(tmp_path, "last.ckpt"))
    assert (note(tmp_path)["rounds"], note(tmp_path)["ended"]) == (4, True)
    kept = weights(tmp_path, "best/end-00004.ckpt")

    class Fallen(Scripted):
        scores = (0.1, 0.2, 0.3, 0.4, 0.5, 0.1, 0.1, 0.1)

    longer = run(tmp_path, Fallen, max_epochs=7)
    assert same(longer, kept)
    assert longer.current_epoch == 7


def test_a_fit_goes_on_from_its_end_and_not_from_its_best_round(tmp_path):
    run(tmp_path / "twice")
    run(tmp_path / "twice", max_epochs=7)
    run(tmp_path / "once", max_epochs=7)
    once, twice = (weights(tmp_path / name, "last.ckpt") for name in ("once", "twice"))
    assert all(torch.equal(value, twice[name]) for name, value in once.items())


def test_what_an_earlier_run_left_of_another_metric_counts_for_nothing(tmp_path):
    run(tmp_path)
    made = fit(
        str(tmp_path), [PseudoLabels(0.4, warmup_epochs=1), BestRound("val_loss", "min")], module=Falling, max_epochs=5
    )
    assert note(tmp_path)["monitor"] == "val_loss"
    assert same(made, weights(tmp_path, note(tmp_path)["checkpoint"]))


def test_the_best_policy_is_exported_wherever_the_callback_stands(tmp_path):
    from transformers import AutoModelForCausalLM

    module = seeded()
    exports = Export(str(tmp_path / "made"))
    fit_language(tmp_path, module, pairs(), exports, BestRound("round/rows", "min"))
    state = weights(tmp_path, note(tmp_path)["checkpoint"])
    exported = AutoModelForCausalLM.from_pretrained(tmp_path / "made" / "final").state_dict()
    assert all(torch.equal(value, state[f"network.{name}"]) for name, value in exported.items())


def test_a_metric_that_nobody_logs_is_told(tmp_path):
    with pytest.raises(SetupError, match="BestRound watches 'score'"):
        fit(str(tmp_path), [PseudoLabels(0.4, warmup_epochs=1), BestRound("score")], module=TinyModule, max_epochs=3)


def test_without_rounds_there_is_nothing_to_choose_from(tmp_path):
    with pytest.raises(SetupError, match="no rounds to choose from"):
        fit(str(tmp_path), [BestRound("score")], max_epochs=1)


def test_a_run_that_ends_in_its_warm_up_is_left_alone(tmp_path):
    made = fit(str(tmp_path), [PseudoLabels(0.4, warmup_epochs=3), BestRound("score")], module=Falling, max_epochs=2)
    assert made.current_epoch == 2
