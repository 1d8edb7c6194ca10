"""Losses for labels that may be wrong, or that are probabilities."""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from lit_iterative.losses.batch import PairLogProbs, given
from lit_iterative.losses.parameters import Noise, Positive, SomeNoise


def soft_dpo(pairs: PairLogProbs, beta: Positive = 0.1) -> Tensor:
    """Return the cross-entropy between how strongly the pair is preferred and what the policy says.

    ``-p log sigmoid(beta * delta) - (1 - p) log sigmoid(-beta * delta)`` with ``p`` the pair's ``preference``: DPO
    where it is 1, and least where the policy's own preference is ``p``.

    Source: the expectation of Rafailov et al., 2023, arXiv:2305.18290, equation 7, over a label drawn with
    probability ``p``.

    Args:
        pairs: Log-probabilities, with the reference's, and the preference.
        beta: How much a nat counts.

    Raises:
        DataError: If the reference or the preference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(soft_dpo(pairs(2.0, -1.0, preference=1.0))), show(soft_dpo(pairs(2.0, -1.0, preference=0.5)))
        ([0.5544], [0.7044])
    """
    return _cross_entropy(beta * pairs.delta, given(pairs.preference, "preference", "preference"))


def cdpo(pairs: PairLogProbs, beta: Positive = 0.1, label_smoothing: Noise = 0.1) -> Tensor:
    """Return conservative DPO: a share of the labels is taken to be wrong.

    ``-(1 - e) log sigmoid(beta * delta) - e log sigmoid(-beta * delta)``; DPO where ``e`` is 0.

    Source: Mitchell, 2023, "A note on DPO with noisy preferences and relationship to IPO".

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much a nat counts.
        label_smoothing: ``e``, the share of labels that are wrong.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(cdpo(pairs(2.0, -1.0)))
        [0.5844]
    """
    return _cross_entropy(beta * pairs.delta, 1 - label_smoothing)


def robust_dpo(pairs: PairLogProbs, beta: Positive = 0.1, label_smoothing: Noise = 0.1) -> Tensor:
    """Return the loss whose mean over wrong labels is DPO's over right ones.

    ``[-(1 - e) log sigmoid(beta * delta) + e log sigmoid(-beta * delta)] / (1 - 2 e)``; DPO where ``e`` is 0. Where
    the margin is large it is below 0.

    Source: Chowdhury et al., 2024, arXiv:2403.00409, section 3.1.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much a nat counts.
        label_smoothing: ``e``, the share of labels that are wrong.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(robust_dpo(pairs(2.0, -1.0)))
        [0.5169]
    """
    x, e = beta * pairs.delta, label_smoothing
    return (e * logsigmoid(-x) - (1 - e) * logsigmoid(x)) / (1 - 2 * e)


def exo(pairs: PairLogProbs, beta: Positive = 0.1, label_smoothing: SomeNoise = 1e-3) -> Tensor:
    """Return the reverse KL divergence of the policy's preference from the label's.

    With ``q = sigmoid(beta * delta)``: ``q [log q - log(1 - e)] + (1 - q) [log(1 - q) - log e]``. cDPO is the same
    divergence the other way round, up to a constant.

    Source: Ji et al., 2024 (EXO), arXiv:2402.00856, equation 16.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much a nat counts.
        label_smoothing: ``e``, above 0: a label that is certain would be infinitely far from any policy.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(exo(pairs(2.0, -1.0)))
        [2.2582]
    """
    x, e = beta * pairs.delta, label_smoothing
    right = torch.sigmoid(x) * (logsigmoid(x) - math.log1p(-e))
    return right + torch.sigmoid(-x) * (logsigmoid(-x) - math.log(e))


def _cross_entropy(x: Tensor, share: Tensor | float) -> Tensor:
    """Return the cross-entropy of the probability ``sigmoid(x)`` under a label that is right in this share."""
    return -share * logsigmoid(x) - (1 - share) * logsigmoid(-x)
