"""The cells of the matrix in docs/precision.md that run on two ranks, in one pair of processes."""

import json

import pytest

from tests.integration.test_ranks import start
from tests.projects.precisions import cells


@pytest.mark.parametrize("sign", ["CI", pytest.param("slow", marks=pytest.mark.slow)])
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_rounds_on_two_ranks(strategy, sign, tmp_path, saved):
    process = start(tmp_path, saved, strategy, sign, project="precise")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-6000:]
    first, second = (json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in range(2))
    assert first == second
    assert set(first) == {str(cell) for cell in cells(strategy, sign)}
    for said in first.values():
        assert len(said["rows"]) == 2
        assert min(said["rows"]) > 0
        assert len({*said["sources"], said["weights"]}) == 3  # trained before each round, and after the last
