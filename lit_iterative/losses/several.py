"""Losses of one prompt with several completions in order of preference."""

import torch
from torch import Tensor

from lit_iterative.losses.batch import RankedLogProbs, per_token
from lit_iterative.losses.parameters import NonNegative, Positive


def softmax_dpo(ranked: RankedLogProbs, beta: Positive = 0.1) -> Tensor:
    """Return the cross-entropy of the best completion among all; DPO where there are two.

    ``-log [exp(beta * ratio_0) / sum_k exp(beta * ratio_k)]``; the order of the others does not matter.

    Source: Chen et al., 2024 (S-DPO), arXiv:2406.09215, one chosen against several rejected.

    Args:
        ranked: Log-probabilities, with the reference's, the chosen completion first.
        beta: How much a nat counts.

    Returns:
        Losses of shape ``(prompts,)``.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import ranked, show
        >>> show(softmax_dpo(ranked(2.0, -1.0))), show(softmax_dpo(ranked(0.0, 0.0, 0.0)))
        ([0.5544], [1.0986])
    """
    score = beta * ranked.ratio
    return torch.logsumexp(score.masked_fill(~ranked.present, _lowest(score)), dim=1) - score[:, 0]


def plackett_luce(ranked: RankedLogProbs, beta: Positive = 0.1) -> Tensor:
    """Return the negative log-probability of the whole order; DPO where there are two completions.

    ``-sum_k log [exp(beta * ratio_k) / sum_{j >= k} exp(beta * ratio_j)]``: the best is drawn from all, the second
    from the rest, and so on.

    Source: Rafailov et al., 2023, arXiv:2305.18290, appendix A.3, DPO under the Plackett-Luce model.

    Args:
        ranked: Log-probabilities, with the reference's, the best completion first.
        beta: How much a nat counts.

    Returns:
        Losses of shape ``(prompts,)``.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import ranked, show
        >>> show(plackett_luce(ranked(2.0, -1.0))), show(plackett_luce(ranked(0.0, 0.0, 0.0)))
        ([0.5544], [1.7918])
    """
    score, present = beta * ranked.ratio, ranked.present
    places = score.shape[1]
    # rest[:, k, j]: whether j is still there when the k-th is drawn
    rest = present[:, None, :] & torch.ones(places, places, dtype=torch.bool, device=score.device).triu()
    left = score[:, None, :].expand(-1, places, -1).masked_fill(~rest, _lowest(score))
    return torch.where(present, torch.logsumexp(left, dim=2) - score, 0).sum(dim=1)


def rrhf(ranked: RankedLogProbs, margin: NonNegative = 0.0, alpha: NonNegative = 1.0) -> Tensor:
    """Return how far worse completions are above better ones, and the negative log-likelihood of the best.

    ``sum_{i better than j} max(0, margin + p_j - p_i) - alpha p_0`` with ``p`` the log-probability per token; without a
    reference. Completions with equal scores are not compared, where the batch has scores.

    Source: Yuan et al., 2023 (RRHF), arXiv:2304.05302, the ranking loss and the fine-tuning loss, here per token.

    Args:
        ranked: Log-probabilities, the best completion first.
        margin: What a better completion must be above a worse one.
        alpha: How much the likelihood of the best counts.

    Returns:
        Losses of shape ``(prompts,)``.

    Example:
        >>> from lit_iterative.losses.testing import ranked, show
        >>> show(rrhf(ranked(2.0, -1.0, 1.0))), show(rrhf(ranked(2.0, -1.0, 1.0), alpha=0.0))
        ([2.0], [0.2])
    """
    present = ranked.present
    mean = per_token(torch.where(present, ranked.completions, 0), ranked.tokens)
    earlier = torch.ones(present.shape[1:] * 2, dtype=torch.bool, device=present.device).triu(1)
    better = present[:, :, None] & present[:, None, :] & earlier
    if ranked.scores is not None:
        better = better & (ranked.scores[:, :, None] != ranked.scores[:, None, :])
    above = torch.relu(margin + mean[:, None, :] - mean[:, :, None])
    return torch.where(better, above, 0).sum(dim=(1, 2)) - alpha * mean[:, 0]


def _lowest(score: Tensor) -> float:
    """Return a score that adds nothing to a sum of exponentials; not -inf, of which gradients are NaN."""
    return torch.finfo(score.dtype).min
