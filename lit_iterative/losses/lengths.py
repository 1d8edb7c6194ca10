"""DPO for completions of unequal length."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from lit_iterative.losses.batch import PairLogProbs
from lit_iterative.losses.parameters import NonNegative, Positive


def r_dpo(pairs: PairLogProbs, beta: Positive = 0.1, alpha: NonNegative = 0.01) -> Tensor:
    """Return length-regularised DPO: a longer chosen completion has less to prove.

    ``-log sigmoid(beta * delta + alpha * (|y_w| - |y_l|))``. It follows from a reward less ``alpha`` for every token:
    the optimal policy's implicit reward is then the preference's less its length, so that the length's part of the
    preference must be added back. The other sign would reward length.

    Source: Park et al., 2024, arXiv:2403.19159, length-regularised DPO.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much a nat counts.
        alpha: What a token costs.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(r_dpo(pairs(2.0, -1.0)))
        [0.5334]
    """
    longer = pairs.chosen_tokens.to(pairs.chosen.dtype) - pairs.rejected_tokens.to(pairs.chosen.dtype)
    return -logsigmoid(beta * pairs.delta + alpha * longer)


def normalised_dpo(pairs: PairLogProbs, beta: Positive = 5.0) -> Tensor:
    """Return length-normalised DPO: each log-ratio is a mean over the tokens of its completion.

    ``-log sigmoid(beta * (chosen_ratio / |y_w| - rejected_ratio / |y_l|))``.

    Source: Lambert et al., 2024 (Tulu 3), arXiv:2411.15124, length-normalised DPO.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: How much a nat per token counts.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(normalised_dpo(pairs(2.0, -1.0)))
        [0.1269]
    """
    return -logsigmoid(beta * pairs.mean_delta)


def desensitised_weights(tokens: Tensor, other_tokens: Tensor, width: int, alpha: float = 0.5) -> Tensor:
    """Return weights of tokens that make DPO length-desensitised (LD-DPO).

    Tokens that the other completion of the pair has no counterpart for count ``alpha``: weigh the log-probabilities
    of policy and reference by them, for both completions, before they are summed.

    Source: Liu et al., 2024, arXiv:2409.06411: ``log p`` of the first ``min(|y_w|, |y_l|)`` tokens, plus ``alpha``
    times that of the others.

    Args:
        tokens: Tokens of the completions, shape ``(pairs,)``.
        other_tokens: Tokens of the other completion of each pair.
        width: Tokens of the padded batch.
        alpha: From 0, which cuts the longer completion, to 1, which is DPO.

    Returns:
        Weights of shape ``(pairs, width)``, float32, 0 after the end.

    Example:
        >>> desensitised_weights(torch.tensor([4]), torch.tensor([2]), width=5).tolist()
        [[1.0, 1.0, 0.5, 0.5, 0.0]]
    """
    place = torch.arange(width, device=tokens.device)
    shared = place < torch.minimum(tokens, other_tokens)[:, None]
    inside = place < tokens[:, None]
    return torch.where(shared, 1.0, alpha) * inside
