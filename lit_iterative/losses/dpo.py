"""Direct preference optimisation, and the losses of its margin that differ in shape alone."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from lit_iterative.losses.batch import PairLogProbs
from lit_iterative.losses.parameters import NonNegative, Positive, Share


def dpo(pairs: PairLogProbs, beta: Positive = 0.1) -> Tensor:
    """Return ``-log sigmoid(beta * delta)``; ln 2 where policy and reference agree.

    Source: Rafailov et al., 2023, arXiv:2305.18290, equation 7.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much a nat counts; the larger, the nearer the policy stays to the reference.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(dpo(pairs(0.0, 0.0))), show(dpo(pairs(2.0, -1.0)))
        ([0.6931], [0.5544])
    """
    return -logsigmoid(beta * pairs.delta)


def hinge(pairs: PairLogProbs, beta: Positive = 0.1) -> Tensor:
    """Return ``max(0, 1 - beta * delta)``, which is done with a pair once its margin is large enough.

    Source: Liu et al., 2023 (RSO), arXiv:2309.06657, the loss named hinge-norm; ``beta`` is its gamma.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: One over the margin that is large enough.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(hinge(pairs(2.0, -1.0)))
        [0.7]
    """
    return torch.relu(1 - beta * pairs.delta)


def ipo(pairs: PairLogProbs, beta: Positive = 0.1, per_token: bool = True) -> Tensor:
    """Return ``(delta - 1 / (2 beta))^2``, which pulls the margin to a value instead of to infinity.

    Source: Azar et al., 2023, arXiv:2310.12036, equation 17; ``beta`` is its tau. The equation has sums over
    completions; taken so, long completions meet the target by their length alone, which is why each log-ratio is
    by default divided by the tokens of its completion.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: One over twice the margin to reach.
        per_token: Whether log-ratios are means over tokens, not sums.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(ipo(pairs(2.0, -1.0))), show(ipo(pairs(2.0, -1.0), per_token=False))
        ([21.16], [4.0])
    """
    return (_margin(pairs, per_token) - 1 / (2 * beta)) ** 2


def _margin(pairs: PairLogProbs, per_token: bool) -> Tensor:
    """Return the margin of means or of sums."""
    return pairs.mean_delta if per_token else pairs.delta


def dpop(pairs: PairLogProbs, beta: Positive = 0.1, penalty: NonNegative = 50.0) -> Tensor:
    """Return DPO with a penalty while the chosen completion is less probable than under the reference.

    ``-log sigmoid(beta * (delta - penalty * max(0, -chosen_ratio)))``: the margin cannot grow by making both
    completions improbable.

    Source: Pal et al., 2024 (DPO-Positive), arXiv:2402.13228; ``penalty`` is its lambda.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much a nat counts.
        penalty: How much more a nat lost by the chosen completion counts.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(dpop(pairs(2.0, -1.0))), show(dpop(pairs(-1.0, -4.0), penalty=5.0))
        ([0.5544], [0.7981])
    """
    # Where policy and reference agree the penalty has no gradient, as relu has none at 0; clamp would have all of it.
    lost = torch.relu(-pairs.chosen_ratio)
    return -logsigmoid(beta * (pairs.delta - penalty * lost))


def discopop(pairs: PairLogProbs, beta: Positive = 0.05, temperature: Share = 0.05) -> Tensor:
    """Return the mixture of the logistic and the exponential loss that a language model found.

    With ``x = beta * delta`` and ``m = sigmoid(x / temperature)``: ``(1 - m) * -log sigmoid(x) + m * exp(-x)``.

    Source: Lu et al., 2024, arXiv:2406.08414, the log-ratio modulated loss (LRML).

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much a nat counts.
        temperature: How wide the region is in which the one becomes the other, at most 1; the paper's tau.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(discopop(pairs(0.0, 0.0))), show(discopop(pairs(2.0, -1.0)))
        ([0.8466], [0.8493])
    """
    x = beta * pairs.delta
    # One exponential of a sum: apart, m is 0 and exp(-x) infinite where the margin is large and wrong.
    exponential = torch.exp(logsigmoid(x / temperature) - x)
    return torch.sigmoid(-x / temperature) * -logsigmoid(x) + exponential
