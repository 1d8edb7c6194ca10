"""Fixtures of all tests."""

import os
import random
import warnings

import numpy as np
import pytest
import torch

# lightning 2.4 calls what newer versions of jsonargparse call by another name
os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")


@pytest.fixture(autouse=True)
def _one_thread():
    """Bitwise comparisons need one order of summation."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _same_draws():
    """What a test draws depends neither on the tests before it nor on chance."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_seed_of_before(monkeypatch):
    """Rounds take the seed of ``seed_everything``, which it leaves in the environment, and so to later tests."""
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)


@pytest.fixture(autouse=True)
def _quiet_peers():
    """Warnings are errors here, but for those of libraries about themselves."""
    with warnings.catch_warnings():
        for module in ("lightning", "torch", "jsonargparse", "tensorboard", "sklearn", "transformers", "peft"):
            warnings.filterwarnings("ignore", module=f"{module}.*")
        yield
