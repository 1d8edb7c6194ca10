"""The drill: a run that would degrade ends as good as its best round, also when it is killed on its way back."""

import json

import pytest
import torch

from lit_iterative.rounds.store import Store
from tests.integration.test_kill import drive
from tests.integration.test_ranks import start
from tests.projects.guarded import run, told
from tests.projects.warned import warned

pytestmark = pytest.mark.filterwarnings("ignore:Round .* Worse")


def accuracies(folder):
    return [version.manifest.metrics_before["val_accuracy"] for version in Store(folder / "rounds").versions()]


def shipped(made):
    (found,) = made.validate(made.lightning_module, made.datamodule, verbose=False)
    return found["val_accuracy"]


def test_a_run_that_would_degrade_ends_as_good_as_its_best_round(tmp_path):
    poisoned = tuple(range(1, 9))
    options = {"poisoned": poisoned, "max_epochs": 7}
    without = shipped(run(str(tmp_path / "unguarded"), guarded=False, **options))
    with warned(r"Round 2: Worse: val_accuracy is 0\.\d+, after 0\.\d+ in front of round 1"):
        made = run(str(tmp_path / "guarded"), **options)
    best = max(accuracies(tmp_path / "guarded"))
    assert without < best - 0.3
    assert shipped(made) == pytest.approx(best, abs=1e-6)
    verdicts = [version.manifest.verdict for version in Store(tmp_path / "guarded" / "rounds").versions()]
    assert [(verdict.back_to, verdict.stop) for verdict in verdicts] == [
        (None, False), (None, False), (1, False), (None, False), (3, True)
    ]  # fmt: skip
    assert [event.action for event in verdicts[4].events] == ["GoBack", "Change"]


def test_the_store_says_what_happened(tmp_path):
    run(str(tmp_path))
    manifest = json.loads((tmp_path / "rounds" / "round-00002" / "manifest.json").read_text())
    said = manifest["verdict"]
    assert said["back_to"] == 1
    assert said["events"][0]["guard"] == "Worse"
    assert said["events"][0]["action"] == "GoBack"
    assert f"after {manifest_value(tmp_path, 1):.4g} in front of round 1" in said["events"][0]["said"]
    assert said["factors"] == {"threshold": 1.2}


def manifest_value(folder, round):
    return Store(folder / "rounds").open(round).manifest.metrics_before["val_accuracy"]


def test_a_run_killed_on_its_way_back_ends_like_the_one_that_was_not(tmp_path):
    result = drive(tmp_path, "return", 0, "guarded")
    whole = result["whole"]
    assert [verdict["back_to"] for verdict in whole["verdicts"]] == [None, None, 1, None]
    assert whole["made_by"][3] == whole["made_by"][1] != whole["made_by"][2]
    assert {trial["state"] for trial in result["trials"]} == {"make 2", "boundary 3", "make 3"}
    for trial in result["trials"]:
        assert trial["outcome"] == whole, trial["state"]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "least"), [("random", 20), ("writes", 40)])
def test_killed_guarded_runs_end_like_the_one_that_was_not(tmp_path, kind, least):
    result = drive(tmp_path, kind, least, "guarded")
    killed = [trial for trial in result["trials"] if trial["state"] != "finished"]
    assert len(killed) >= least
    for trial in killed:
        assert trial["outcome"] == result["whole"], trial["state"]


def test_two_ranks_go_back_together(tmp_path):
    process = start(tmp_path, "--devices", "2", "--lr", "0.1", project="guarded")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-6000:]
    one, two = (json.loads((tmp_path / f"outcome-{rank}.json").read_text()) for rank in range(2))
    assert [verdict["back_to"] for verdict in one["verdicts"]] == [None, None, 1, None]
    assert one["made_by"][3] == one["made_by"][1]
    assert (one["shipped"], one["weights"], one["rate"]) == (two["shipped"], two["weights"], two["rate"])


def test_after_the_way_back_training_stands_where_it_stood(tmp_path):
    made = run(str(tmp_path))
    before, after = (
        torch.load(tmp_path / "rounds" / f"round-{round:05d}" / "boundary.ckpt", weights_only=True) for round in (1, 3)
    )
    for name, weight in before["state_dict"].items():
        assert torch.equal(weight, after["state_dict"][name])
    moments = [state["momentum_buffer"] for state in before["optimizer_states"][0]["state"].values()]
    assert moments
    for old, new in zip(moments, after["optimizer_states"][0]["state"].values(), strict=True):
        assert torch.equal(old, new["momentum_buffer"])
    assert before["lr_schedulers"] == after["lr_schedulers"]
    averages = [checkpoint["callbacks"]["EMATeacher"] for checkpoint in (before, after)]
    assert averages[0]["steps"] == averages[1]["steps"]
    assert all(torch.equal(value, averages[1]["average"][name]) for name, value in averages[0]["average"].items())
    assert after["lit_iterative_rounds"]["metrics"] == before["lit_iterative_rounds"]["metrics"]
    assert after["epoch"] == before["epoch"] + 1
    assert after["global_step"] > before["global_step"]
    data = Store(tmp_path / "rounds")
    first, third = (data.open(round) for round in (0, 3))
    assert third.manifest.previous == first.manifest.key
    assert set(third.table()["round"].to_pylist()) <= {0, 3}
    assert told(str(tmp_path), made)["memory"][3] != {}
