"""Losses of rewards against their formulas, in plain float64."""

import math

import pytest
import torch

from lit_iterative.losses.preferences import (
    bradley_terry,
    pointwise,
    preference_accuracy,
    reward_losses,
    soft_bradley_terry,
)

REWARDS = [(0.0, 0.0), (1.5, -2.0), (-3.0, 0.5), (40.0, -40.0), (-300.0, 300.0)]


def softplus(x):
    return math.log1p(math.exp(x)) if x < 50 else x


@pytest.mark.parametrize("preference", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("margin", [0.0, 1.5])
def test_soft_labels_are_a_cross_entropy(preference, margin):
    first, second = torch.tensor(REWARDS, dtype=torch.float64).T
    losses = soft_bradley_terry(first, second, torch.full_like(first, preference), margin)
    for (one, other), loss in zip(REWARDS, losses.tolist(), strict=True):
        expected = preference * softplus(-(one - other - margin)) + (1 - preference) * softplus(-(other - one - margin))
        assert loss == pytest.approx(expected, rel=1e-12)


def test_soft_labels_are_met_where_rewards_say_the_same():
    gap = torch.tensor([math.log(0.8 / 0.2)], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(
        soft_bradley_terry(gap, torch.zeros(1), torch.tensor([0.8], dtype=torch.float64)), gap
    )
    assert slope.item() == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("preference", [0.0, 0.25, 1.0])
def test_pointwise_is_the_mean_of_two_cross_entropies(preference):
    first, second = torch.tensor(REWARDS, dtype=torch.float64).T
    losses = pointwise(first, second, torch.full_like(first, preference))
    for (one, other), loss in zip(REWARDS, losses.tolist(), strict=True):
        good = preference * softplus(-one) + (1 - preference) * softplus(one)
        bad = preference * softplus(other) + (1 - preference) * softplus(-other)
        assert loss == pytest.approx((good + bad) / 2, rel=1e-12)


def test_columns_say_how_a_pair_is_trained_on():
    first, second = torch.tensor(REWARDS, dtype=torch.float64).T
    preference, marks = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0]), torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0])
    plain = reward_losses(first, second, {}, margin=0.5)
    torch.testing.assert_close(plain, bradley_terry(first, second, 0.5))
    soft = soft_bradley_terry(first, second, preference, 0.5)
    torch.testing.assert_close(reward_losses(first, second, {"preference": preference}, 0.5), soft)
    mixed = reward_losses(first, second, {"preference": preference, "pointwise": marks}, 0.5)
    torch.testing.assert_close(mixed[:2], pointwise(first, second, preference)[:2])
    torch.testing.assert_close(mixed[2:], soft[2:])


def test_accuracy_follows_the_preference():
    first, second = torch.tensor([[2.0, 1.0], [2.0, 1.0], [1.0, 1.0], [2.0, 1.0]]).T
    preference = torch.tensor([0.9, 0.2, 0.9, 0.5])
    assert preference_accuracy(first, second, {"preference": preference}).tolist() == [1.0, 0.0, 0.5, 0.5]
    assert preference_accuracy(first, second, {}).tolist() == [1.0, 1.0, 0.5, 1.0]
