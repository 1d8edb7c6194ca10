"""Contract 1: a run killed at any instant and started again ends as if nothing had happened."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def drive(folder: Any, kind: str, count: int, project: str = "tiny") -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.integration.kill_driver", str(folder), kind, str(count), project]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ROOT}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("kind", "least", "states"), [("random", 20, 4), pytest.param("writes", 20, 6, marks=pytest.mark.slow)]
)
def test_killed_runs_end_like_the_one_that_was_not(tmp_path, kind, least, states):
    result = drive(tmp_path, kind, least)
    killed = [trial for trial in result["trials"] if trial["state"] != "finished"]
    assert len(result["whole"]["shards"]) == 3
    assert len(killed) >= least
    assert len({trial["state"] for trial in killed}) >= states, [trial["state"] for trial in killed]
    for trial in killed:
        assert trial["outcome"] == result["whole"], trial["state"]


def test_a_language_run_killed_in_any_stage_ends_like_the_one_that_was_not(tmp_path):
    result = drive(tmp_path, "calls", 0, "words")
    assert len(result["whole"]["shards"]) == 2
    assert all(measured["rows"] > 0 for measured in result["whole"]["measured"])
    stages = {"generate", "__call__", "log_probs", "training_step"}
    assert {trial["in"] for trial in result["trials"] if trial["state"] != "finished"} == stages
    for trial in result["trials"]:
        assert trial["state"] != "finished", trial["in"]
        assert trial["outcome"] == result["whole"], (trial["in"], trial["state"])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "least", "states"), [("random", 20, 4), ("writes", 20, 5)])
def test_killed_language_runs_end_like_the_one_that_was_not(tmp_path, kind, least, states):
    result = drive(tmp_path, kind, least, "words")
    killed = [trial for trial in result["trials"] if trial["state"] != "finished"]
    assert len(killed) >= least
    assert len({trial["state"] for trial in killed}) >= states, [trial["state"] for trial in killed]
    for trial in killed:
        assert trial["outcome"] == result["whole"], trial["state"]
