"""Contracts 2 and 3: one process and two make the same bytes, and a killed pair of ranks goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lit_iterative.rounds.store import Store

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def start(folder: Any, *arguments: str, project: str = "tiny") -> subprocess.Popen[str]:
    command = [sys.executable, os.path.join(ROOT, f"tests/projects/{project}.py"), str(folder), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ROOT}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def finish(folder: Any, *arguments: str, project: str = "tiny") -> dict[str, Any]:
    process = start(folder, *arguments, project=project)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-6000:]
    with open(os.path.join(folder, "outcome.json")) as file:
        return json.load(file)


def data_bytes(folder: Path) -> dict[str, bytes]:
    store = folder / "rounds"
    return {str(name.relative_to(store)): name.read_bytes() for name in store.rglob("*.parquet")}


@pytest.mark.parametrize("pool", [200, 50])
def test_one_rank_and_two_make_the_same_bytes(tmp_path, pool):
    # learning rate 0, so that both have the same weights; 200 rows are 4 uneven shards, 50 rows leave rank 1 none
    common = ["--lr", "0", "--warmup", "0", "--threshold", "0.45", "--pool", str(pool)]
    one = finish(tmp_path / "1", *common)
    two = finish(tmp_path / "2", *common, "--devices", "2")
    assert len(one["shards"]) >= 3
    assert 0 < one["measured"][0]["rows"] < pool
    assert one["shards"] == two["shards"]
    assert data_bytes(tmp_path / "1") == data_bytes(tmp_path / "2")
    weights = [version.manifest.weights for version in Store(tmp_path / "2" / "rounds").versions()]
    assert len(set(weights)) == 1


def test_two_killed_ranks_end_like_two_that_were_not(tmp_path):
    common = ["--devices", "2", "--threshold", "0.5"]
    whole = finish(tmp_path / "whole", *common)
    process = start(tmp_path / "killed", *common, "--die-in-round", "1")
    deadline = time.monotonic() + 120
    work = tmp_path / "killed" / "rounds" / "round-00001" / "work" / "01"
    while not (work.is_dir() and len(list(work.glob("*.parquet"))) >= 2):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "killed" / "rounds" / "round-00001" / "manifest.json").exists()
    assert all(measured["rows"] > 0 for measured in whole["measured"])
    assert finish(tmp_path / "killed", *common) == whole


def test_ranks_that_know_a_metric_differently_decide_alike(tmp_path):
    process = start(tmp_path, project="unsynced")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-6000:]
    first, second = (json.loads((tmp_path / f"starts-{rank}.json").read_text()) for rank in range(2))
    assert len(set(first)) == 4
    assert first == second
