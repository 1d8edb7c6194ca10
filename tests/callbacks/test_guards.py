"""What the callback that makes rounds does when guards say so."""

from dataclasses import dataclass

import pytest
import yaml
from lightning.pytorch.loggers import CSVLogger

from lit_iterative.callbacks import PseudoLabels, Rounds
from lit_iterative.callbacks.guards import Guards
from lit_iterative.datamodules import Mixing
from lit_iterative.datamodules.mixing import RowSampler
from lit_iterative.errors import SetupError
from lit_iterative.guards import Above, Change, Condition, Finish, GoBack, Guard, Stop, Worse
from lit_iterative.inspect.prune import Pruning, prune
from lit_iterative.ops import Confidence, HardLabels, Predict, Threshold
from lit_iterative.ops.schedule import Steered
from lit_iterative.rounds import Phase, Store, When
from tests.projects.tiny import TinyModule, TinyRefreshable, fit
from tests.projects.warned import warned

pytestmark = pytest.mark.filterwarnings("ignore:Round .* (At|Above|Worse)")


@dataclass(frozen=True)
class At(Condition):
    """Met in given rounds."""

    rounds: tuple[int, ...]

    @property
    def watches(self):
        return ("round/rows",)

    def __call__(self, history):
        return "it is time" if history.now.round in self.rounds else None


class Scripted(TinyModule):
    """Scores what a list says, by epoch."""

    scores = (0.5, 0.6, 0.9, 0.7, 0.8, 0.4, 0.3, 0.2)

    def on_validation_epoch_end(self):
        self.log("score", self.scores[self.trainer.current_epoch])


def manifests(folder):
    return [version.manifest for version in Store(folder / "rounds").versions()]


def run(folder, *guards, module=Scripted, rounds=None, **options):
    makes = rounds or PseudoLabels(0.4, warmup_epochs=1)
    return fit(str(folder), [makes, Guards(list(guards))], module=module, **{"max_epochs": 6, **options})


def test_a_stop_comes_before_training_on_the_round(tmp_path):
    made = run(tmp_path, Guard(At((2,)), Stop()))
    assert [manifest.epoch for manifest in manifests(tmp_path)] == [1, 2, 3]
    assert made.global_step == manifests(tmp_path)[2].global_step
    assert manifests(tmp_path)[2].verdict.stop


def test_the_same_command_finds_a_stopped_run_done(tmp_path):
    made = run(tmp_path, Guard(At((2,)), Stop()))
    again = run(tmp_path, Guard(At((2,)), Stop()))
    assert again.global_step == made.global_step
    assert len(manifests(tmp_path)) == 3


def test_a_run_that_finishes_trains_on_its_last_round(tmp_path):
    rounds = PseudoLabels(0.4, every_n_epochs=2, warmup_epochs=1)
    made = run(tmp_path, Guard(At((1,)), Finish()), rounds=rounds, max_epochs=8)
    found = manifests(tmp_path)
    assert [manifest.epoch for manifest in found] == [1, 3]
    trained = made.global_step - found[1].global_step
    assert trained == 2 * -(-(30 + found[1].rows) // 16)


def test_a_changed_parameter_is_another_one_from_the_next_round_on(tmp_path):
    threshold = Steered("threshold", 0.4, high=0.7)
    phase = Phase([Predict(), Confidence(), Threshold(threshold), HardLabels()])
    run(tmp_path, Guard(At((1, 2)), Change("threshold", 1.5)), rounds=Rounds([phase], When(1, 1)))
    used = [next(op for op in m.ops if op.name == "Threshold").parameters["value"] for m in manifests(tmp_path)]
    assert used == pytest.approx([0.4, 0.4, 0.6, 0.7, 0.7])


def test_a_changed_mixture_is_another_one_in_the_training_on_the_same_round(tmp_path):
    shares = []

    class Noted(Scripted):
        def on_train_epoch_start(self):
            sampler = self.trainer.train_dataloader.sampler
            order = list(sampler) if isinstance(sampler, RowSampler) else [0]
            shares.append(round(sum(row < 30 for row in order) / len(order), 2))

    data = TinyRefreshable()
    data.mixing = Mixing(gold_share=Steered("gold", 0.5, high=0.9), rows_per_epoch=100)
    guards = [Guard(At((1, 3)), Change("gold", 1.5))]
    fit(str(tmp_path), [PseudoLabels(0.4, warmup_epochs=1), Guards(guards)], data, module=Noted, max_epochs=6)
    assert shares == [1.0, 0.5, 0.75, 0.75, 0.9, 0.9]


def test_a_phase_comes_again_when_the_run_goes_back_in_front_of_it(tmp_path):
    ops = [Predict(), Confidence(), Threshold(0.4), HardLabels()]
    phases = [Phase(ops, rounds=2, name="first"), Phase(ops, rounds=2, name="second"), Phase(ops, name="rest")]
    run(tmp_path, Guard(At((2,)), GoBack("score")), rounds=Rounds(phases, When(1, 1)))
    # round 2 is left, and the best before it is round 1, the second of the first phase
    assert [m.phase for m in manifests(tmp_path)] == ["first", "first", "second", "first", "second", "second"]


def test_a_round_whose_checkpoint_was_pruned_is_no_way_back(tmp_path):
    run(tmp_path, Guard(At((4,)), GoBack("score")), max_epochs=4)
    assert len(manifests(tmp_path)) == 3
    prune(Store(tmp_path / "rounds"), Pruning({}, {"round-00002/boundary.ckpt": 0}, []))
    run(tmp_path, Guard(At((4,)), GoBack("score")))
    assert manifests(tmp_path)[4].verdict.back_to == 3  # 0.7, as the best of 0.9 is gone


def test_where_no_more_rounds_are_due_the_data_of_before_is_served(tmp_path):
    rounds = PseudoLabels(0.4, warmup_epochs=1, max_rounds=3)
    made = run(tmp_path, Guard(At((2,)), GoBack("score")), rounds=rounds)
    assert len(manifests(tmp_path)) == 3
    assert made.datamodule.state_dict()["lit_iterative"]["round"] == 0  # that of the time in front of round 1
    assert made.current_epoch == 6


def test_a_left_round_is_told_and_logged(tmp_path):
    logger = CSVLogger(str(tmp_path), name="log", version="")
    with warned(r"Round 2: At: it is time \(GoBack\)"):
        run(tmp_path, Guard(At((2,)), GoBack("score")), Guard(Above("score", 0.85)), logger=logger)
    lines = (tmp_path / "log" / "metrics.csv").read_text().splitlines()
    names = lines[0].split(",")
    shown = {}
    for line in lines[1:]:
        row = dict(zip(names, line.split(","), strict=True))
        for name in ("by_round/guards/At", "by_round/guards/Above", "by_round/rows"):
            if row[name]:
                shown[name, int(row["step"])] = float(row[name])
    assert shown["by_round/guards/At", 2] == shown["by_round/guards/Above", 2] == 1.0
    assert shown["by_round/guards/At", 1] == shown["by_round/guards/Above", 1] == 0.0
    assert shown["by_round/rows", 2] == manifests(tmp_path)[2].rows


def test_guards_are_yaml(tmp_path):
    from jsonargparse import ArgumentParser

    config = {
        "guards": [
            {"condition": {"class_path": "LengthDrift", "init_args": {"factor": 1.5}}},
            {
                "condition": {"class_path": "Worse", "init_args": {"metric": "val_accuracy"}},
                "action": {"class_path": "GoBack", "init_args": {"monitor": "val_accuracy"}},
                "patience": 2,
            },
        ]
    }
    parser = ArgumentParser()
    parser.add_class_arguments(Guards, "made")
    (tmp_path / "guards.yaml").write_text(yaml.safe_dump({"made": config}))
    made = parser.instantiate_classes(parser.parse_path(str(tmp_path / "guards.yaml"))).made
    assert made.guards[1] == Guard(Worse("val_accuracy"), GoBack("val_accuracy"), 2)


def test_a_change_of_a_parameter_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SetupError, match=r"changes \['temperature'\]"):
        run(tmp_path, Guard(At((2,)), Change("temperature", 1.5)))


def test_two_callbacks_of_guards_are_refused(tmp_path):
    guards = Guards([Guard(At((2,)))])
    with pytest.raises(SetupError, match="2 Guards"):
        fit(str(tmp_path), [PseudoLabels(0.4), guards, Guards([Guard(At((2,)))])], max_epochs=2)
    with pytest.raises(SetupError, match="no guards"):
        Guards([])
