"""Losses of self-play: against the policy of the round before, by win rates."""

import torch
from torch import Tensor

from lit_iterative.losses.batch import PairLogProbs, given
from lit_iterative.losses.dpo import dpo
from lit_iterative.losses.numerics import bounded_expm1
from lit_iterative.losses.parameters import NonNegative, Positive


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


def rspo(pairs: PairLogProbs, beta: Positive = 0.001, reverse: NonNegative = 0.1, forward: NonNegative = 0.1) -> Tensor:
    """Return SPPO against the reference, plus divergences of the policy from an anchor, which is a second reference.

    ``sppo + reverse * KL(pi | mu) + forward * KL(mu | pi)`` with ``mu`` the anchor, each divergence a mean over the two
    completions, which the reference has drawn: with ``l = log pi(y) - log mu(y)`` they are ``l^2 / 2`` and
    ``w (e^l - 1 - l)``, where ``w = min(1, mu(y) / pi_ref(y))``. Where the policy is the reference, and no ``w`` is
    cut, the means of their gradients are those of the divergences.

    Source: Tang et al., 2025 (RSPO), arXiv:2503.00030, SPPO with a mixture of forward and reverse KL; the estimates are
    ours.

    Args:
        pairs: Log-probabilities, with the reference's, the anchor's, and both win rates.
        beta: The smaller, the further a win rate moves the policy.
        reverse: Weight of the reverse divergence.
        forward: Weight of the forward divergence.

    Raises:
        DataError: If the reference, the anchor or a win rate is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> known = {"chosen_win_rate": 0.5, "rejected_win_rate": 0.5, "anchor_chosen": -20.0, "anchor_rejected": -20.0}
        >>> show(rspo(pairs(0.0, 0.0, **known))), show(rspo(pairs(1.0, 0.0, **known), reverse=1.0, forward=0.0))
        ([0.0], [0.75])
    """
    losses = sppo(pairs, beta)
    sides = ((pairs.chosen, "chosen"), (pairs.rejected, "rejected"))
    for policy, side in sides:
        anchor = given(getattr(pairs, f"anchor_{side}"), "anchor", f"anchor_{side}")
        reference = given(getattr(pairs, f"reference_{side}"), "reference", f"reference_{side}")
        ratio, weight = policy - anchor, torch.exp((anchor - reference).clamp(max=0))
        losses = losses + (reverse * ratio**2 / 2 + forward * weight * (bounded_expm1(ratio) - ratio)) / 2
    return losses


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
