"""Two ranks that hold a half of each weight train, sample, save, resume and export as two that hold all of them."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from lit_iterative.rounds.store import Store
from tests.integration.test_ranks import start
from tests.projects.sharded import fit

EXACT = {"rtol": 0, "atol": 2e-6}


def finish(folder, *arguments):
    process = start(folder, *arguments, project="sharded")
    _, errors = process.communicate(timeout=300)
    return process.returncode, errors[-6000:]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sharded")
    code, errors = finish(folder)
    assert code == 0, errors
    return folder


def weights(folder):
    return torch.load(folder / "weights.pt", weights_only=True)


def boundary(folder, round):
    return torch.load(folder / "rounds" / f"round-{round:05d}" / "boundary.ckpt", weights_only=True)


def assert_alike(first, second):
    assert set(first) == set(second)
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, msg=name, **EXACT)


def test_weights_after_two_rounds(made, tmp_path):
    plain, sharded = weights(made / "ddp"), weights(made / "fsdp")
    assert_alike(plain, sharded)
    _, one = fit(tmp_path, "one")
    assert_alike(one.state_dict(), sharded)
    before = boundary(made / "fsdp", 0)["state_dict"]
    assert max((before[name] - value).abs().max() for name, value in sharded.items()) > 1e-3


def test_rounds(made):
    plain, sharded = (Store(made / kind / "rounds") for kind in ("ddp", "fsdp"))
    for round in range(2):
        expected, found = plain.open(round).table(), sharded.open(round).table()
        assert expected.num_rows == 8
        exact = [name for name in expected.column_names if "logp" not in name and name != "source"]
        assert found.select(exact).to_pylist() == expected.select(exact).to_pylist()
        for name in ("chosen_ref_logp", "rejected_ref_logp"):
            assert found[name].to_pylist() == pytest.approx(expected[name].to_pylist(), abs=1e-5)


def test_checkpoints_are_whole_and_of_the_same_form(made):
    plain, sharded = (boundary(made / kind, 1) for kind in ("ddp", "fsdp"))
    assert set(plain) == set(sharded)
    assert_alike(plain["state_dict"], sharded["state_dict"])
    (expected,), (found,) = plain["optimizer_states"], sharded["optimizer_states"]
    assert set(expected["state"]) == set(found["state"])
    for number, state in expected["state"].items():
        assert_alike(state, found["state"][number])


def test_exports_and_metrics(made):
    expected, found = (
        AutoModelForCausalLM.from_pretrained(made / kind / "export" / "final") for kind in ("ddp", "fsdp")
    )
    assert_alike(expected.state_dict(), found.state_dict())
    expected, found = (json.loads((made / kind / "metrics.json").read_text()) for kind in ("ddp", "fsdp"))
    assert {"val_accuracy", "train_loss", "rewards/margins"} <= set(found)
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "rounds"), [(0, 1), (2, 2)])
def test_two_killed_ranks_end_like_two_that_were_not(steps, rounds, made, tmp_path):
    code, _ = finish(tmp_path, "fsdp", str(steps))
    assert code != 0
    assert not (tmp_path / "fsdp" / "weights.pt").exists()
    assert len(Store(tmp_path / "fsdp" / "rounds").rounds()) == rounds
    code, errors = finish(tmp_path, "fsdp")
    assert code == 0, errors
    expected, found = weights(made / "fsdp"), weights(tmp_path / "fsdp")
    assert all(torch.equal(found[name], value) for name, value in expected.items())
