"""The rewards that a policy implies, for metrics."""

from torch import Tensor

from lit_iterative.losses.batch import PairLogProbs


def implicit_rewards(pairs: PairLogProbs, beta: float = 0.1) -> tuple[Tensor, Tensor]:
    """Return ``beta * (log pi - log pi_ref)`` of chosen and rejected completions, without gradient.

    Source: Rafailov et al., 2023, arXiv:2305.18290, equation 5, up to a term of the prompt alone.

    Args:
        pairs: Log-probabilities, with the reference's.
        beta: That of the loss.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> chosen, rejected = implicit_rewards(pairs(2.0, -1.0))
        >>> show(chosen), show(rejected)
        ([0.2], [-0.1])
    """
    return beta * pairs.chosen_ratio.detach(), beta * pairs.rejected_ratio.detach()
