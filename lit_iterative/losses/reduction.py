"""From losses of rows to one number, and the term of likelihood that many losses are used with."""

import torch
from torch import Tensor

from lit_iterative.losses.batch import PairLogProbs


def weighted_mean(
    losses: Tensor, weights: Tensor | None = None, counts: Tensor | None = None, total: Tensor | float | None = None
) -> Tensor:
    """Return ``sum(weights * losses) / sum(weights * counts)``.

    A mean of the means of micro-batches is not the mean of the batch where these differ in rows, weights or tokens.
    Give ``total``, the denominator over all micro-batches of an optimiser step (and over all ranks, divided by their
    number, since gradients are averaged over ranks), and add the results up.

    Args:
        losses: Losses of rows.
        weights: What each row counts; 1 by default. A row of weight 0 counts nothing, whatever its loss is.
        counts: What each loss is a sum over: its tokens, for a mean over tokens; 1 by default.
        total: The denominator, where it is not that of these rows alone.

    Returns:
        A scalar; 0 where the denominator is 0.

    Example:
        >>> losses = torch.tensor([2.0, 4.0])
        >>> weighted_mean(losses).item(), weighted_mean(losses, torch.tensor([3.0, 1.0])).item()
        (3.0, 2.5)
        >>> weighted_mean(losses[:1], total=2).item() + weighted_mean(losses[1:], total=2).item()
        3.0
    """
    weights = torch.ones_like(losses) if weights is None else weights.to(losses.dtype)
    counts = torch.ones_like(losses) if counts is None else counts.to(losses.dtype)
    above = torch.where(weights == 0, 0, weights * losses).sum()
    below = torch.as_tensor((weights * counts).sum() if total is None else total, device=losses.device)
    return above / torch.where(below == 0, 1, below).to(losses.dtype)


def with_nll(losses: Tensor, pairs: PairLogProbs, alpha: float = 1.0) -> Tensor:
    """Add ``alpha`` times the chosen completion's negative log-likelihood per token to losses of pairs.

    It holds the chosen completion's probability up while the margin grows.

    Source: Pang et al., 2024 (iterative reasoning preference optimisation), arXiv:2404.19733, equation 1; Liu et al.,
    2024 (RPO), arXiv:2405.16436, derives it as a guard against over-optimisation.

    Args:
        losses: Losses of the pairs.
        pairs: Log-probabilities.
        alpha: How much it counts.

    Example:
        >>> from lit_iterative.losses.dpo import dpo
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(with_nll(dpo(pairs(2.0, -1.0)), pairs(2.0, -1.0)))
        [2.3544]
    """
    return losses - alpha * pairs.chosen_mean
