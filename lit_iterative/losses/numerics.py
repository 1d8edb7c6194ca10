"""Numbers that stay finite: exponentials with a ceiling, log-odds near certainty."""

import math

import torch
from torch import Tensor

#: The exponent up to which exponentials are exact. What is e^30 times the gradient of another pair decides the step
#: anyway; and norms of such gradients, which are their squares, still fit in float32.
CEILING = 30.0

#: Log-probabilities per token above this count as this; float32 tells no more certain ones apart from 1.
CERTAIN = -1e-7


def bounded_expm1(x: Tensor, ceiling: float = CEILING) -> Tensor:
    """Return ``exp(x) - 1``, which goes on along its tangent above the ceiling: finite, and its gradient never 0 there.

    Args:
        x: Exponents.
        ceiling: The largest exponent at which the exponential is exact.

    Example:
        >>> bounded_expm1(torch.tensor([0.0, 1000.0])).isfinite().tolist()
        [True, True]
    """
    return torch.expm1(x.clamp(max=ceiling)) + math.exp(ceiling) * (x - ceiling).clamp(min=0)


def log_odds(log_probability: Tensor) -> Tensor:
    """Return ``log(p / (1 - p))`` from ``log p``, exact for small and for large ``p``.

    Args:
        log_probability: At most 0; values above ``CERTAIN`` count as it, so that certainty has finite odds.

    Example:
        >>> log_odds(torch.tensor([0.5]).log()).round(decimals=4).tolist()
        [0.0]
    """
    bounded = log_probability.clamp(max=CERTAIN)
    return bounded - torch.log(-torch.expm1(bounded))
