"""Losses of class labels, hard or soft, and terms that keep predictions of a batch apart and sure."""

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from lit_iterative.errors import DataError


def generalised_cross_entropy(logits: Tensor, labels: Tensor, q: float) -> Tensor:
    """Return ``sum_c y_c (1 - p_c^q) / q``: between cross-entropy (``q`` towards 0) and the mean absolute error (1).

    A wrong label that the network does not believe has a small gradient, so that noise in labels does less harm.

    Source: Zhang and Sabuncu, 2018, arXiv:1805.07836, equation 6.

    Args:
        logits: Shape ``(rows, classes)``.
        labels: Classes ``(rows,)`` or class probabilities ``(rows, classes)``.
        q: In [0, 1]; 0 is cross-entropy.

    Returns:
        Losses of shape ``(rows,)``.

    Raises:
        DataError: If ``q`` is out of range.

    Example:
        >>> even = torch.zeros(1, 4)
        >>> [round(generalised_cross_entropy(even, torch.tensor([0]), q).item(), 4) for q in (0, 0.5, 1)]
        [1.3863, 1.0, 0.75]
    """
    if not 0 <= q <= 1:
        raise DataError(f"generalised_cross_entropy has q={q}. Give a number between 0 (cross-entropy) and 1.")
    if q == 0:
        return cross_entropy(logits, labels, reduction="none")
    soft = labels if labels.is_floating_point() else one_hot(labels, logits.shape[1])
    # -expm1(q log p) / q keeps its digits where p is near 1
    losses: Tensor = (soft * -torch.expm1(q * logits.log_softmax(dim=1))).sum(dim=1) / q
    return losses


def prior_divergence(logits: Tensor) -> Tensor:
    """Return ``sum_c u_c log(u_c / h_c)`` with ``u`` uniform and ``h`` the mean prediction: 0 where classes are even.

    Added to a loss it keeps all rows from being given one class.

    Source: Tanaka et al., 2018, arXiv:1803.11364; Arazo et al., 2020, arXiv:1908.02983, the term ``R_A``.

    Args:
        logits: Shape ``(rows, classes)``.

    Example:
        >>> round(prior_divergence(torch.tensor([[9.0, 0.0], [9.0, 0.0]])).item(), 4)
        3.807
    """
    rows, classes = logits.shape
    log_means = logits.log_softmax(dim=1).logsumexp(dim=0) - math.log(rows)
    return -log_means.mean() - math.log(classes)


def mean_entropy(logits: Tensor) -> Tensor:
    """Return the mean over rows of the entropy of the prediction, in nats: 0 where all are sure.

    Source: Grandvalet and Bengio, 2004; Arazo et al., 2020, arXiv:1908.02983, the term ``R_H``.

    Args:
        logits: Shape ``(rows, classes)``.

    Example:
        >>> round(mean_entropy(torch.zeros(2, 4)).item(), 4)
        1.3863
    """
    log_probs = logits.log_softmax(dim=1)
    return -(log_probs.exp() * log_probs).sum(dim=1).mean()
