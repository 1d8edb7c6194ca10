"""Fixtures of all tests."""

import warnings

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    """Bitwise comparisons need one order of summation."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _quiet_peers():
    """Warnings are errors here, but for those of libraries about themselves."""
    with warnings.catch_warnings():
        for module in ("lightning", "torch", "jsonargparse", "tensorboard", "sklearn"):
            warnings.filterwarnings("ignore", module=f"{module}.*")
        yield
