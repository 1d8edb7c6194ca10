"""Alignment by optimal transport: the distribution of margins in the batch is moved, not each margin.

These losses compare sorted values of one batch. The loss in a row belongs to the rank that the row's policy value has;
a batch split for gradient accumulation gives other losses than the whole.
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from lit_iterative.losses.batch import PairLogProbs, given
from lit_iterative.losses.parameters import Noise, Positive


def aot_paired(pairs: PairLogProbs, beta: Positive = 0.1, label_smoothing: Noise = 0.0) -> Tensor:
    """Return the loss that makes the policy's margins larger than the reference's, rank by rank.

    Sorted ``log pi(y_w) - log pi(y_l)`` is compared with sorted ``log pi_ref(y_w) - log pi_ref(y_l)`` by a logistic
    loss, whose labels may be smoothed.

    Source: Melnyk et al., 2024, arXiv:2406.05882, section 3, paired data.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much a nat counts.
        label_smoothing: As in cDPO.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(aot_paired(pairs(2.0, -1.0)))
        [0.5544]
    """
    chosen = given(pairs.reference_chosen, "reference", "reference_chosen")
    rejected = given(pairs.reference_rejected, "reference", "reference_rejected")
    return _dominance(pairs.chosen - pairs.rejected, chosen - rejected, beta, label_smoothing)


def aot_unpaired(pairs: PairLogProbs, beta: Positive = 0.1, label_smoothing: Noise = 0.0) -> Tensor:
    """Return the loss that makes ratios of chosen completions larger than those of rejected ones, rank by rank.

    Which rejected completion stands beside which chosen one does not matter, so the two may come from different
    prompts.

    Source: Melnyk et al., 2024, arXiv:2406.05882, section 3, unpaired data.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much a nat counts.
        label_smoothing: As in cDPO.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(aot_unpaired(pairs(2.0, -1.0)))
        [0.5544]
    """
    return _dominance(pairs.chosen_ratio, pairs.rejected_ratio, beta, label_smoothing)


def _dominance(larger: Tensor, smaller: Tensor, beta: float, label_smoothing: float) -> Tensor:
    """Return the logistic loss of sorted differences, each in the row that its larger value came from."""
    values, order = torch.sort(larger, stable=True)
    x = beta * (values - torch.sort(smaller).values)
    losses = -(1 - label_smoothing) * logsigmoid(x) - label_smoothing * logsigmoid(-x)
    return torch.empty_like(losses).index_copy(0, order, losses)
