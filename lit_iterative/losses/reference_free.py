"""Losses of pairs that need no reference policy."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from lit_iterative.losses.batch import PairLogProbs
from lit_iterative.losses.numerics import log_odds
from lit_iterative.losses.parameters import NonNegative, Positive


def simpo(pairs: PairLogProbs, beta: Positive = 2.0, gamma: NonNegative = 1.0) -> Tensor:
    """Return ``-log sigmoid(beta * (mean_w - mean_l) - gamma)``, with means of ``log p`` over tokens.

    Source: Meng et al., 2024, arXiv:2405.14734, equation 6.

    Args:
        pairs: Log-probabilities.
        beta: How much a nat per token counts.
        gamma: The margin to reach; the paper takes about half of ``beta``.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(simpo(pairs(2.0, -1.0)))
        [0.0221]
    """
    return -logsigmoid(beta * (pairs.chosen_mean - pairs.rejected_mean) - gamma)


def cpo(pairs: PairLogProbs, beta: Positive = 0.1, alpha: NonNegative = 1.0) -> Tensor:
    """Return DPO against a uniform reference, plus the chosen completion's negative log-likelihood.

    ``-log sigmoid(beta * (log pi(y_w) - log pi(y_l))) - alpha * log pi(y_w) / |y_w|``.

    Source: Xu et al., 2024, arXiv:2401.08417, preference loss plus behaviour cloning. The second term is taken per
    token, as it is in supervised training; summed over a completion it would drown the first.

    Args:
        pairs: Log-probabilities.
        beta: How much a nat counts.
        alpha: How much the second term counts.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(cpo(pairs(2.0, -1.0)))
        [2.3544]
    """
    return -logsigmoid(beta * (pairs.chosen - pairs.rejected)) - alpha * pairs.chosen_mean


def slic(pairs: PairLogProbs, margin: Positive = 1.0, alpha: NonNegative = 0.0) -> Tensor:
    """Return ``max(0, margin - log pi(y_w) + log pi(y_l)) - alpha * log pi(y_w) / |y_w|``.

    Source: Zhao et al., 2023 (SLiC-HF), arXiv:2305.10425, rank calibration with cross-entropy as regulariser; the
    chosen completion stands for its regularisation target.

    Args:
        pairs: Log-probabilities.
        margin: The difference of log-probabilities to reach; the paper's delta.
        alpha: How much the second term counts; the paper's lambda.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(slic(pairs(2.0, -1.0), margin=5.0))
        [2.0]
    """
    return torch.relu(margin - pairs.chosen + pairs.rejected) - alpha * pairs.chosen_mean


def orpo(pairs: PairLogProbs, beta: Positive = 0.1) -> Tensor:
    """Return the chosen completion's negative log-likelihood plus the log-sigmoid of the odds ratio.

    ``-mean_w - beta * log sigmoid(log odds_w - log odds_l)`` with ``odds = p / (1 - p)`` and ``log p`` the mean over
    tokens. A ``p`` above ``1 - 1e-7`` counts as that, so that certainty has finite odds.

    Source: Hong et al., 2024, arXiv:2403.07691, equations 6 and 7; ``beta`` is its lambda.

    Args:
        pairs: Log-probabilities.
        beta: How much the second term counts.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(orpo(pairs(2.0, -1.0)))
        [1.8074]
    """
    margin = log_odds(pairs.chosen_mean) - log_odds(pairs.rejected_mean)
    return -pairs.chosen_mean - beta * logsigmoid(margin)
