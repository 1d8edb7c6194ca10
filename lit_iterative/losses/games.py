"""Losses of self-play: against the policy of the round before, by win rates."""

import torch
from torch import Tensor

from lit_iterative.losses.batch import PairLogProbs, given
from lit_iterative.losses.dpo import dpo
from lit_iterative.losses.parameters import Positive


def spin(pairs: PairLogProbs, beta: Positive = 0.1) -> Tensor:
    """Return the self-play loss: DPO of people's answers against the policy's own of the round before.

    Source: Chen et al., 2024, arXiv:2401.01335, equation 4.7 with the logistic loss; ``beta`` is its lambda. Chosen is
    the gold answer, rejected the one sampled from the reference.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much a nat counts.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(spin(pairs(2.0, -1.0)))
        [0.5544]
    """
    return dpo(pairs, beta)


def sppo(pairs: PairLogProbs, beta: Positive = 0.001) -> Tensor:
    """Return the squared distance of each log-ratio from its completion's win rate.

    ``[(chosen_ratio - (P_w - 1/2) / beta)^2 + (rejected_ratio - (P_l - 1/2) / beta)^2] / 2`` with ``P`` the probability
    to be preferred to a completion of the reference.

    Source: Wu et al., 2024, arXiv:2405.00675, equation 4.7; ``beta`` is one over its eta.

    Args:
        pairs: Log-probabilities, with the reference's, and both win rates.
        beta: The smaller, the further a win rate moves the policy.

    Raises:
        DataError: If the reference or a win rate is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(sppo(pairs(2.0, -1.0, chosen_win_rate=0.75, rejected_win_rate=0.5), beta=0.1))
        [0.625]
    """
    chosen = given(pairs.chosen_win_rate, "win_rate", "chosen_win_rate")
    rejected = given(pairs.rejected_win_rate, "win_rate", "rejected_win_rate")
    return _squares(pairs, (chosen - 0.5) / beta, (rejected - 0.5) / beta)


def sppo_hard(pairs: PairLogProbs, beta: Positive = 0.001) -> Tensor:
    """Return SPPO with the win rates 1 and 0.

    Source: Wu et al., 2024, arXiv:2405.00675, equation 4.7 with ``P_w = 1`` and ``P_l = 0``.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: The smaller, the further the policy is moved.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(sppo_hard(pairs(2.0, -1.0), beta=0.1))
        [12.5]
    """
    return _squares(pairs, 0.5 / beta, -0.5 / beta)


def irepo(pairs: PairLogProbs, beta: Positive = 0.1) -> Tensor:
    """Return the squared distance of the implicit reward's margin from the logit of the preference.

    ``(beta * delta - log(p / (1 - p)))^2`` with ``p`` the pair's ``preference``; ``p`` and ``1 - p`` below 1e-6
    count as that.

    Source: Le et al., 2024, arXiv:2405.15230, regression of implicit reward differences on empirical preferences.

    Args:
        pairs: Log-probabilities, with the reference's, and the preference.
        beta: How much a nat counts.

    Raises:
        DataError: If the reference or the preference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(irepo(pairs(2.0, -1.0, preference=0.5)))
        [0.09]
    """
    preference = given(pairs.preference, "preference", "preference").to(pairs.chosen.dtype)
    logit = torch.log(preference.clamp(min=1e-6)) - torch.log((1 - preference).clamp(min=1e-6))
    return (beta * pairs.delta - logit) ** 2


def _squares(pairs: PairLogProbs, chosen_target: Tensor | float, rejected_target: Tensor | float) -> Tensor:
    """Return the mean of both log-ratios' squared distances from their targets."""
    return ((pairs.chosen_ratio - chosen_target) ** 2 + (pairs.rejected_ratio - rejected_target) ** 2) / 2
