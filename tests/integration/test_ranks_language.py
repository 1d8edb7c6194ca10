"""Two ranks and one make the same pairs, and two measure as one would."""

import json
import math

import pytest

from lit_iterative.rounds.store import Store
from tests.integration.test_ranks import data_bytes, finish, start

FROZEN = ["--lr", "0"]  # so that all have the same weights


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    return folder, finish(folder, *FROZEN, project="spoken")


def test_one_rank_and_two_make_the_same_pairs(tmp_path, one):
    folder, outcome = one
    two = finish(tmp_path, *FROZEN, "--devices", "2", project="spoken")
    assert len(outcome["shards"]) == 2
    assert outcome["shards"] == two["shards"]
    assert data_bytes(folder) == data_bytes(tmp_path)
    assert outcome["measured"] == two["measured"]
    first = Store(folder / "rounds").open(0).table()
    assert first.num_rows >= 6
    assert {"chosen_ref_logp", "rejected_ref_logp"} <= set(first.column_names)


def test_a_schedule_sees_what_both_ranks_measured_in_the_same_round(tmp_path):
    finish(tmp_path, "--devices", "2", project="spoken")
    asked = []
    for version in Store(tmp_path / "rounds").versions():
        (threshold,) = (op for op in version.manifest.ops if op.name == "Threshold")
        assert 0 < threshold.rows_out < threshold.rows_in
        asked.append(threshold.parameters["value"])
        assert asked[-1] == -1.2 * version.manifest.metrics["completion_tokens"]
    assert len(set(asked)) == 2


def test_another_split_into_shards_makes_the_same_pairs(tmp_path, one):
    folder, _ = one
    finish(tmp_path, *FROZEN, "--shard-size", "7", project="spoken")
    for round in range(2):
        expected, made = (Store(path / "rounds").open(round).table() for path in (folder, tmp_path))
        plain = [name for name in expected.column_names if "ref_logp" not in name and name != "source"]
        assert made.select(plain).to_pylist() == expected.select(plain).to_pylist()  # no draw fell on a boundary
        for name in ("chosen_ref_logp", "rejected_ref_logp"):  # whose last bit may differ in another batch
            assert made[name].to_pylist() == pytest.approx(expected[name].to_pylist(), abs=1e-5)


def test_step_metrics_are_exact_over_ranks_and_reduced_once_a_log_step(tmp_path):
    process = start(tmp_path, project="measured")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-6000:]
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2))
    for said in (first, second):
        assert math.isnan(said["metrics"].pop("c"))  # which no rank has measured
        assert said["metrics"] == {"a": 2.5, "b": 0.375}
        assert (said["steps"], said["reductions"]) == (4, 2)
