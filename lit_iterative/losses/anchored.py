"""Losses that look at each completion of a pair by itself, so that both cannot become improbable together."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from lit_iterative.losses.batch import PairLogProbs
from lit_iterative.losses.parameters import Positive


def nca(pairs: PairLogProbs, beta: Positive = 0.01) -> Tensor:
    """Return noise-contrastive alignment: raise the chosen completion, hold both down a little.

    With rewards ``r = beta * ratio``: ``-log sigmoid(r_w) - (log sigmoid(-r_w) + log sigmoid(-r_l)) / 2``.

    Source: Chen et al., 2024, arXiv:2402.05369, section 4.1, NCA for pairs; ``beta`` is its alpha.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much a nat counts.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(nca(pairs(2.0, -1.0), beta=0.1))
        [1.3194]
    """
    chosen, rejected = beta * pairs.chosen_ratio, beta * pairs.rejected_ratio
    return -logsigmoid(chosen) - (logsigmoid(-chosen) + logsigmoid(-rejected)) / 2


def apo_zero(pairs: PairLogProbs, beta: Positive = 0.1) -> Tensor:
    """Return ``1 - sigmoid(r_w) + sigmoid(r_l)``: the chosen completion up, the rejected one down.

    For pairs whose chosen completion is better than the policy.

    Source: D'Oosterlinck et al., 2024, arXiv:2408.06266, section 4, APO-zero; 1 is added so that it is not below 0.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much a nat counts in the rewards ``r = beta * ratio``.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(apo_zero(pairs(2.0, -1.0)))
        [0.9252]
    """
    return torch.sigmoid(-beta * pairs.chosen_ratio) + torch.sigmoid(beta * pairs.rejected_ratio)


def apo_down(pairs: PairLogProbs, beta: Positive = 0.1) -> Tensor:
    """Return ``sigmoid(r_w) + 1 - sigmoid(r_w - r_l)``: both completions down, the rejected one further.

    For pairs whose chosen completion is worse than the policy.

    Source: D'Oosterlinck et al., 2024, arXiv:2408.06266, section 4, APO-down; 1 is added so that it is not below 0.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much a nat counts in the rewards ``r = beta * ratio``.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(apo_down(pairs(2.0, -1.0)))
        [0.9754]
    """
    return torch.sigmoid(beta * pairs.chosen_ratio) + torch.sigmoid(-beta * pairs.delta)
