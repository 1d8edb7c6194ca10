"""Losses without reference see nothing but the policy."""

import math

import pytest
import torch

from lit_iterative.losses.batch import PairLogProbs
from lit_iterative.losses.reduction import with_nll
from lit_iterative.losses.reference_free import cpo, orpo, simpo, slic


def alone(chosen, rejected, tokens=(10, 5), dtype=torch.float64):
    sums = (torch.tensor([value], dtype=dtype) for value in (chosen, rejected))
    return PairLogProbs(*sums, *(torch.tensor([count]) for count in tokens))


def test_simpo_is_ln_2_at_its_margin():
    assert simpo(alone(-10.0, -7.5), beta=2.0, gamma=1.0).item() == pytest.approx(math.log(2))


def test_simpo_does_not_see_length():
    torch.testing.assert_close(simpo(alone(-10.0, -7.5)), simpo(alone(-20.0, -15.0, (20, 10))))


def test_cpo_is_its_first_term_plus_the_likelihood():
    batch = alone(-10.0, -12.0)
    torch.testing.assert_close(cpo(batch, alpha=0.7), with_nll(cpo(batch, alpha=0.0), batch, 0.7))


def test_slic_is_done_at_its_margin():
    assert slic(alone(-10.0, -13.0), margin=3.0).item() == 0


def test_orpo_by_hand():
    """The odds of one half are 1, those of three quarters 3."""
    batch = alone(2 * math.log(0.75), 2 * math.log(0.5), (2, 2))
    assert orpo(batch, beta=0.5).item() == pytest.approx(-math.log(0.75) - 0.5 * math.log(3 / 4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sums", [(0.0, 0.0), (0.0, -5.0), (-5.0, 0.0), (-1e-12, -1e-12), (-1e4, -1e-9)])
def test_orpo_is_finite_at_certainty(sums, dtype):
    batch = alone(*sums, dtype=dtype)
    batch.chosen.requires_grad_()
    batch.rejected.requires_grad_()
    loss = orpo(batch)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert batch.chosen.grad.isfinite().all()
    assert batch.rejected.grad.isfinite().all()
