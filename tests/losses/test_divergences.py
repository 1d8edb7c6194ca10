"""Losses of f-divergences meet at their limits, and stay finite where the policy has given a completion up."""

import pytest
import torch

from lit_iterative.losses.divergences import f_alpha, f_forward_kl, f_js, f_reverse_kl
from lit_iterative.losses.dpo import dpo
from tests.losses.rows import CASES, pair, pair_batch
from tests.losses.test_oracles import trainable

ORDINARY = pair_batch(CASES["pairs"]["ordinary"], torch.float64)


def test_reverse_kl_is_dpo():
    assert torch.equal(f_reverse_kl(ORDINARY, beta=0.3), dpo(ORDINARY, beta=0.3))


def test_alpha_goes_from_reverse_to_forward_kl():
    torch.testing.assert_close(f_alpha(ORDINARY, alpha=1.0), f_forward_kl(ORDINARY))
    torch.testing.assert_close(f_alpha(ORDINARY, alpha=1e-7), dpo(ORDINARY), atol=1e-6, rtol=0)


def test_a_small_alpha_keeps_its_digits_in_float32():
    single = pair_batch(CASES["pairs"]["ordinary"], torch.float32)
    torch.testing.assert_close(f_alpha(single, alpha=1e-4).double(), f_alpha(ORDINARY, alpha=1e-4), atol=1e-5, rtol=0)


def test_js_is_nearly_dpo_where_completions_are_given_up():
    """``log(2 u / (1 + u))`` is ``log u`` plus a constant where ``u`` is small."""
    batch = pair_batch([pair(-30.0, -33.0)], torch.float64)
    torch.testing.assert_close(f_js(batch), dpo(batch))


@pytest.mark.parametrize("loss", [f_forward_kl, f_alpha])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_would_overflow_is_finite_and_still_pushes(loss, dtype):
    batch, (chosen, rejected) = trainable("pairs", [pair(-1000.0, -900.0), pair(-1000.0, 0.0)], dtype)
    losses = loss(batch)
    losses.sum().backward()
    assert losses.isfinite().all()
    assert chosen.grad.isfinite().all()
    assert rejected.grad.isfinite().all()
    assert (chosen.grad < 0).all()
