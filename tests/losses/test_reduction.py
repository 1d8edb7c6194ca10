"""Means: those of parts add up to that of the whole; rows of no weight count nothing."""

import pytest
import torch

from lit_iterative.losses.batch import per_token
from lit_iterative.losses.dpo import dpo
from lit_iterative.losses.reduction import weighted_mean, with_nll
from lit_iterative.losses.testing import pairs

LOSSES = torch.tensor([1.0, 2.0, 5.0, 3.0], dtype=torch.float64)
WEIGHTS = torch.tensor([1.0, 0.5, 0.0, 2.0])
TOKENS = torch.tensor([3, 4, 9, 2])


def test_by_hand():
    assert weighted_mean(LOSSES, WEIGHTS).item() == pytest.approx((1 + 1 + 6) / 3.5)
    assert weighted_mean(LOSSES, WEIGHTS, TOKENS).item() == pytest.approx((1 + 1 + 6) / (3 + 2 + 4))


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_parts_add_up_where_they_know_the_total(cut):
    total = (WEIGHTS * TOKENS).sum()
    parts = sum(
        weighted_mean(LOSSES[part], WEIGHTS[part], TOKENS[part], total) for part in (slice(cut), slice(cut, None))
    )
    torch.testing.assert_close(parts, weighted_mean(LOSSES, WEIGHTS, TOKENS))


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_a_row_of_no_weight_counts_nothing_whatever_its_loss(bad):
    losses = torch.tensor([1.0, bad], requires_grad=True)
    mean = weighted_mean(losses, torch.tensor([1.0, 0.0]))
    mean.backward()
    assert mean.item() == 1
    assert losses.grad.tolist() == [1.0, 0.0]


def test_no_weight_at_all_is_zero_and_keeps_the_graph():
    losses = LOSSES.clone().requires_grad_()
    mean = weighted_mean(losses, torch.zeros(4))
    mean.backward()
    assert mean.item() == 0
    assert losses.grad.tolist() == [0.0] * 4


def test_the_likelihood_is_taken_per_token():
    batch = pairs(2.0, -1.0)
    torch.testing.assert_close(with_nll(dpo(batch), batch, alpha=0.5), dpo(batch) + 0.5 * 18 / 10)


def test_weights_of_tokens_below_one_are_not_rounded_up():
    assert per_token(torch.tensor([-3.0]), torch.tensor([0.5])).item() == -6
