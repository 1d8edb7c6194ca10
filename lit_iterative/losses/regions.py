"""Losses of dense labels: of the places that have one, and of those that have none."""

import math

import torch
from torch import Tensor

IGNORED = -1


def smoothing(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how far predictions are from even where there is a label: ``-1/C sum_c log p_c - log C``, the mean.

    It keeps the network from becoming too sure of labels that may be wrong. Source: Mei et al., 2020, arXiv:2008.12197,
    the regulariser of confident regions, after Zou et al., 2019.

    Args:
        logits: Shape ``(rows, classes, ...)``.
        labels: Shape ``(rows, ...)``; -1 where there is none.

    Example:
        >>> smoothing(torch.zeros(1, 4, 2), torch.tensor([[1, -1]])).item()
        0.0
    """
    divergence = -logits.log_softmax(dim=1).mean(dim=1) - math.log(logits.shape[1])
    return _mean(divergence, labels != IGNORED)


def sharpening(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the entropy of predictions where there is no label, in nats, the mean.

    Source: Mei et al., 2020, arXiv:2008.12197, the regulariser of ignored regions.

    Args:
        logits: Shape ``(rows, classes, ...)``.
        labels: Shape ``(rows, ...)``; -1 where there is none.

    Example:
        >>> round(sharpening(torch.zeros(1, 4, 2), torch.tensor([[1, -1]])).item(), 4)
        1.3863
    """
    log_probs = logits.log_softmax(dim=1)
    return _mean(-(log_probs.exp() * log_probs).sum(dim=1), labels == IGNORED)


def consistency(logits: Tensor, others: Tensor, labels: Tensor) -> Tensor:
    """Return the squared distance of two predictions where there is no label, the mean; the second one has no gradient.

    Args:
        logits: Of changed inputs, ``(rows, classes, ...)``.
        others: Of the inputs as they are.
        labels: Shape ``(rows, ...)``; -1 where there is none.

    Example:
        >>> logits = torch.tensor([[[9.0, 0.0], [0.0, 9.0]]])
        >>> consistency(logits, logits, torch.tensor([[-1, 0]])).item()
        0.0
    """
    apart = (logits.softmax(dim=1) - others.detach().softmax(dim=1)) ** 2
    return _mean(apart.sum(dim=1), labels == IGNORED)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of some values; 0 of none."""
    return torch.where(mask, values, 0).sum() / mask.sum().clamp(min=1)
