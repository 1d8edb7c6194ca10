"""Small batches for examples and tests of losses."""

import torch
from torch import Tensor

from lit_iterative.losses.batch import PairLogProbs, RankedLogProbs, SequenceLogProbs, UnpairedLogProbs


def pairs(chosen: float = 2.0, rejected: float = -1.0, **more: float) -> PairLogProbs:
    """Return one pair with these log-ratios to the reference, which gives -20 to 10 chosen and 5 rejected tokens.

    Args:
        chosen: The log-ratio of the chosen completion.
        rejected: The log-ratio of the rejected completion.
        **more: Further fields of :class:`~lit_iterative.losses.batch.PairLogProbs`.

    Example:
        >>> pairs().delta.tolist()
        [3.0]
    """
    values = dict(chosen=chosen - 20, rejected=rejected - 20, reference_chosen=-20.0, reference_rejected=-20.0)
    tensors = {name: torch.tensor([float(value)]) for name, value in (values | more).items()}
    return PairLogProbs(chosen_tokens=torch.tensor([10]), rejected_tokens=torch.tensor([5]), **tensors)


def ranked(*ratios: float) -> RankedLogProbs:
    """Return one prompt's completions with these log-ratios to the reference, the best first.

    Example:
        >>> ranked(2.0, 0.0, -1.0).ratio.tolist()
        [[2.0, 0.0, -1.0]]
    """
    reference = torch.full((1, len(ratios)), -20.0)
    return RankedLogProbs(reference + torch.tensor(ratios), torch.full((1, len(ratios)), 10), reference)


def unpaired(ratio: float = 2.0, desirable: bool = True, **more: float) -> UnpairedLogProbs:
    """Return one labelled completion of 10 tokens with this log-ratio to the reference, which gives -20.

    Args:
        ratio: The log-ratio.
        desirable: Whether it is good.
        **more: Further fields of :class:`~lit_iterative.losses.batch.UnpairedLogProbs`.

    Example:
        >>> unpaired().ratio.tolist()
        [2.0]
    """
    tensors = {name: torch.tensor([float(value)]) for name, value in more.items()}
    sequence, label = sequences(ratio), torch.tensor([desirable])
    return UnpairedLogProbs(sequence.completion, sequence.tokens, label, sequence.reference, **tensors)


def sequences(ratio: float = 2.0) -> SequenceLogProbs:
    """Return one completion of 10 tokens with this log-ratio to the reference, which gives -20.

    Example:
        >>> sequences().ratio.tolist()
        [2.0]
    """
    return SequenceLogProbs(torch.tensor([ratio - 20]), torch.tensor([10]), torch.tensor([-20.0]))


def show(losses: Tensor) -> list[float]:
    """Return losses rounded to four digits.

    Example:
        >>> show(torch.tensor([2.0]).log())
        [0.6931]
    """
    return [round(value, 4) for value in losses.tolist()]
