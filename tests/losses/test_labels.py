"""Losses for uncertain labels agree with DPO where labels are certain, and undo their noise."""

import pytest
import torch

from lit_iterative.losses.dpo import dpo
from lit_iterative.losses.labels import cdpo, exo, robust_dpo, soft_dpo
from lit_iterative.losses.testing import pairs


def test_certain_labels_give_dpo():
    expected = dpo(pairs(2.0, -1.0))
    torch.testing.assert_close(cdpo(pairs(2.0, -1.0), label_smoothing=0.0), expected)
    torch.testing.assert_close(robust_dpo(pairs(2.0, -1.0), label_smoothing=0.0), expected)
    torch.testing.assert_close(soft_dpo(pairs(2.0, -1.0, preference=1.0)), expected)
    torch.testing.assert_close(soft_dpo(pairs(2.0, -1.0, preference=0.0)), dpo(pairs(-1.0, 2.0)))


def test_smoothing_is_a_soft_label():
    soft = soft_dpo(pairs(2.0, -1.0, preference=0.75))
    torch.testing.assert_close(cdpo(pairs(2.0, -1.0), label_smoothing=0.25), soft)


@pytest.mark.parametrize("noise", [0.1, 0.3, 0.45])
def test_robust_dpo_is_dpo_in_the_mean_over_wrong_labels(noise):
    right, wrong = (robust_dpo(batch, label_smoothing=noise) for batch in (pairs(2.0, -1.0), pairs(-1.0, 2.0)))
    torch.testing.assert_close((1 - noise) * right + noise * wrong, dpo(pairs(2.0, -1.0)))


def test_soft_dpo_is_least_at_the_policys_own_preference():
    preference = torch.sigmoid(torch.tensor(0.3)).item()
    there, less, more = (soft_dpo(pairs(margin, 0.0, preference=preference)) for margin in (3.0, 2.9, 3.1))
    assert there < less
    assert there < more


def test_exo_is_zero_where_the_policy_prefers_as_the_label_says():
    margin = torch.log(torch.tensor(0.9 / 0.1)).item() / 0.1
    assert exo(pairs(margin, 0.0), label_smoothing=0.1).item() == pytest.approx(0.0, abs=1e-6)
    assert exo(pairs(2.0, -1.0), label_smoothing=0.1) > 0
