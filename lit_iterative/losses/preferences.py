"""Losses of rewards: what a reward model is trained with, by two rewards of a pair."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def bradley_terry(chosen: Tensor, rejected: Tensor, margin: float = 0.0) -> Tensor:
    """Return ``-log sigmoid(r_w - r_l - margin)`` of each pair, ``(pairs,)``.

    Source: Bradley and Terry, 1952; Ouyang et al., 2022, arXiv:2203.02155, equation 1; the margin, Touvron et al.,
    2023, arXiv:2307.09288, equation 2.

    Example:
        >>> bradley_terry(torch.tensor([1.0]), torch.tensor([1.0])).exp()
        tensor([2.])
    """
    return -logsigmoid(chosen - rejected - margin)


def soft_bradley_terry(first: Tensor, second: Tensor, preference: Tensor, margin: float = 0.0) -> Tensor:
    """Return the cross-entropy of soft labels, ``-p log sigmoid(r_1 - r_2) - (1 - p) log sigmoid(r_2 - r_1)``.

    Source: the loss of Zhu et al., 2024 (iterative data smoothing), arXiv:2401.16335, section 3.

    Args:
        first: Rewards, ``(pairs,)``.
        second: Rewards, ``(pairs,)``.
        preference: The probability that the first is preferred.
        margin: By how much the preferred reward should be larger.

    Example:
        >>> even = torch.tensor([0.5])
        >>> soft_bradley_terry(torch.tensor([1.0]), torch.tensor([1.0]), even).exp()
        tensor([2.])
    """
    return preference * bradley_terry(first, second, margin) + (1 - preference) * bradley_terry(second, first, margin)


def pointwise(first: Tensor, second: Tensor, preference: Tensor) -> Tensor:
    """Return the mean cross-entropy of two completions by themselves: one is good and the other is bad.

    Args:
        first: Rewards, ``(pairs,)``; their sigmoid is the probability to be good.
        second: Rewards, ``(pairs,)``.
        preference: The probability that the first is the good one, and the second the bad one.

    Example:
        >>> sure = torch.tensor([1.0])
        >>> pointwise(torch.tensor([0.0]), torch.tensor([0.0]), sure).exp()
        tensor([2.])
    """
    good = logsigmoid(first) + logsigmoid(-second)
    bad = logsigmoid(-first) + logsigmoid(second)
    return -(preference * good + (1 - preference) * bad) / 2


def reward_losses(chosen: Tensor, rejected: Tensor, columns: Mapping[str, Tensor], margin: float = 0.0) -> Tensor:
    """Return the loss of every pair of a batch, ``(pairs,)``.

    Args:
        chosen: Rewards, ``(pairs,)``.
        rejected: Rewards, ``(pairs,)``.
        columns: Of the batch: ``preference``, the probability that the chosen one is preferred, 1 without it; and
            ``pointwise``, above 0 where both completions are judged by themselves.
        margin: By how much the preferred reward should be larger, where the two are compared.

    Example:
        >>> one, columns = torch.tensor([1.0]), {"preference": torch.tensor([0.0])}
        >>> torch.equal(reward_losses(one, 3 * one, columns), bradley_terry(3 * one, one))
        True
    """
    preference = columns.get("preference", torch.ones_like(chosen))
    compared = soft_bradley_terry(chosen, rejected, preference, margin)
    if "pointwise" not in columns:
        return compared
    return torch.where(columns["pointwise"] > 0, pointwise(chosen, rejected, preference), compared)


def preference_accuracy(chosen: Tensor, rejected: Tensor, columns: Mapping[str, Tensor]) -> Tensor:
    """Return for every pair whether rewards and preference agree, ties as 1/2, ``(pairs,)``.

    Args:
        chosen: Rewards, ``(pairs,)``.
        rejected: Rewards, ``(pairs,)``.
        columns: Of the batch, with the ``preference`` where there is one.

    Example:
        >>> preference_accuracy(torch.tensor([1.0, 1.0]), torch.tensor([0.0, 1.0]), {}).tolist()
        [1.0, 0.5]
    """
    preference = columns.get("preference", torch.ones_like(chosen))
    agreement = (chosen - rejected) * (preference - 0.5)
    return (agreement > 0).float() + 0.5 * (agreement == 0)
