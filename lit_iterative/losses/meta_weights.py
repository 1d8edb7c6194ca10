"""Weights of rows that are learnt on clean examples, one step ahead."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.autograd import grad


def meta_weights(losses: Tensor, clean: Tensor, parameters: Iterable[Tensor]) -> Tensor:
    """Return how much a small step on each row would lower the loss on clean examples; 0 where it would raise it.

    ``w_i = max(0, u_i) / sum_k max(0, u_k)`` with ``u_i = -d/de_i clean(theta - sum_k e_k grad l_k)`` at ``e = 0``,
    which is the product of the two gradients.

    Source: Ren et al., 2018, arXiv:1803.09050, equations 11 and 12, for a step of gradient descent.

    Args:
        losses: Of the rows, ``(rows,)``, with a graph that can be differentiated twice.
        clean: The loss on clean examples, a scalar.
        parameters: What would make the step.

    Returns:
        Weights ``(rows,)`` that sum to 1; all 0 where no row helps. They have no gradient.

    Example:
        >>> slope = torch.tensor(1.0, requires_grad=True)
        >>> rows = slope * torch.tensor([3.0, 1.0, -1.0])
        >>> meta_weights(rows, 2 * slope, [slope]).tolist()
        [0.75, 0.25, 0.0]
    """
    parameters = list(parameters)
    wanted = grad(clean, parameters, allow_unused=True, retain_graph=True)
    shares = torch.zeros_like(losses, requires_grad=True)
    steps = grad((shares * losses).sum(), parameters, create_graph=True, allow_unused=True)
    pairs = zip(steps, wanted, strict=True)
    both = [(step * want).sum() for step, want in pairs if step is not None and want is not None]
    if not both:
        return torch.zeros_like(losses)
    (gain,) = grad(torch.stack(both).sum(), shares)
    weights = gain.clamp(min=0)
    total = weights.sum()
    return weights / torch.where(total > 0, total, 1)
