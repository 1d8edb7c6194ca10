from lit_iterative.inspect.summary import Outcome, chosen, summarise
from lit_iterative.rounds.store import Store
from tests.inspect.stores import two_rounds


def test_after_one_round_is_before_the_next(tmp_path):
    store = two_rounds(tmp_path)
    store.finish({"val_accuracy": 0.875, "round/label_accuracy": 0.2}, "plan")
    lines = summarise(store).splitlines()
    assert lines[0].endswith("val_accuracy before  after")
    assert [line.split()[-2:] for line in lines[2:]] == [["0.5", "0.75"], ["0.75", "0.875"]]


def test_an_unfinished_fit_has_no_last_number(tmp_path):
    assert summarise(two_rounds(tmp_path)).splitlines()[-1].split()[-2:] == ["0.75", "-"]


def test_another_metric_where_the_monitored_one_is_unknown(tmp_path):
    assert "val_accuracy before" in summarise(two_rounds(tmp_path), monitor="f1")


def test_only_what_was_measured_of_rounds_is_shown(tmp_path):
    store = two_rounds(tmp_path)
    known = {name for version in store.versions() for name in version.manifest.metrics}
    head = summarise(store).splitlines()[0]
    said = {"coverage": "coverage", "label_accuracy": "label accuracy", "flip_rate": "flips"}
    assert {name: text in head for name, text in said.items()} == {name: name in known for name in said}
    assert 0 < len(known & set(said)) < 3


def test_rewards_of_training_batches_are_no_held_out_metric(tmp_path):
    assert chosen(["rewards/accuracies", "val_loss"]) == []


def test_runs_stand_beside_each_other(tmp_path):
    outcomes = [
        Outcome("with rounds", 1200, {"val_accuracy": 0.9, "test_accuracy": 0.875, "val_loss": 1.0}),
        Outcome("without rounds", 1200, {"val_accuracy": 0.8, "val_loss": 2.0}),
    ]
    lines = summarise(two_rounds(tmp_path), outcomes=outcomes).splitlines()[-5:]
    assert lines[0].split() == ["the", "same", "model", "steps", "val_accuracy", "test_accuracy"]
    assert lines[2].split() == ["with", "rounds", "1,200", "0.9", "0.875"]
    assert lines[3].split() == ["without", "rounds", "1,200", "0.8", "-"]
    assert lines[4].split() == ["difference", "+0.1000", "-"]


def test_no_round(tmp_path):
    assert summarise(Store(tmp_path)) == "No round was made."
