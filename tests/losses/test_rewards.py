"""Rewards for metrics carry no gradient."""

from dataclasses import replace

import pytest

from lit_iterative.losses.rewards import implicit_rewards
from lit_iterative.losses.testing import pairs


def test_rewards():
    batch = pairs(2.0, -1.0)
    trained = replace(batch, chosen=batch.chosen.requires_grad_(), rejected=batch.rejected.requires_grad_())
    chosen, rejected = implicit_rewards(trained, beta=0.5)
    assert (chosen.item(), rejected.item()) == pytest.approx((1.0, -0.5))
    assert not chosen.requires_grad
    assert not rejected.requires_grad
