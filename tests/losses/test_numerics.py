"""Finite numbers against 160 digits."""

import pytest
import torch
from mpmath import exp, expm1, log, mpf

from lit_iterative.losses.numerics import CEILING, bounded_expm1, log_odds


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_exponential_is_exact_up_to_its_ceiling(dtype):
    points = torch.tensor([-200.0, -1.0, -1e-6, 0.0, 1e-6, 3.0, CEILING], dtype=dtype)
    for point, value in zip(points.tolist(), bounded_expm1(points).tolist(), strict=True):
        assert abs(value - expm1(mpf(point))) <= 2 * torch.finfo(dtype).eps * abs(expm1(mpf(point)))


@pytest.mark.parametrize("ceiling", [10.0, CEILING])
def test_above_it_goes_on_without_a_jump_or_a_kink(ceiling):
    x = torch.tensor([ceiling - 1e-9, ceiling + 1e-9, ceiling + 1000], dtype=torch.float64, requires_grad=True)
    value = bounded_expm1(x, ceiling)
    value.sum().backward()
    torch.testing.assert_close(value[0], value[1], rtol=1e-8, atol=0)
    torch.testing.assert_close(x.grad[0], x.grad[1], rtol=1e-8, atol=0)
    assert x.grad[2] == x.grad[1]
    assert bounded_expm1(torch.tensor(ceiling + 1e4)).isfinite()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_odds(dtype):
    points = torch.tensor([-1e4, -30.0, -0.7, -1e-3, -3e-7], dtype=dtype, requires_grad=True)
    odds = log_odds(points)
    odds.sum().backward()
    eps = 4 * torch.finfo(dtype).eps
    for point, value, slope in zip(points.tolist(), odds.tolist(), points.grad.tolist(), strict=True):
        p = exp(mpf(point))
        assert value == pytest.approx(float(mpf(point) - log(1 - p)), rel=eps, abs=eps)
        assert slope == pytest.approx(float(1 / (1 - p)), rel=eps)
