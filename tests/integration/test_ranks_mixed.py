"""Soft labels, weights in items, paired batches, drawn rows and new weights under DDP: ranks stay equal."""

import json
import os
import subprocess
import sys

import pytest

from lit_iterative.rounds.store import Store
from tests.integration.test_ranks import ROOT
from tests.projects.mixed import CASES


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_ranks_end_with_the_same_weights(tmp_path, case):
    command = [sys.executable, os.path.join(ROOT, "tests/projects/mixed.py"), str(tmp_path), case]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ROOT}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-6000:]
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    rows = [version.manifest.rows for version in Store(tmp_path / "rounds").versions()]
    assert rows == [200, 200]
