"""Losses of completions to imitate."""

from torch import Tensor

from lit_iterative.losses.batch import SequenceLogProbs, per_token
from lit_iterative.losses.parameters import NonNegative


def sft(batch: SequenceLogProbs) -> Tensor:
    """Return the negative log-likelihood of each completion, summed over its tokens.

    Divided by the tokens of the whole batch it is the usual cross-entropy, in which every token counts alike.

    Args:
        batch: Log-probabilities.

    Example:
        >>> from lit_iterative.losses.testing import sequences, show
        >>> show(sft(sequences(2.0)))
        [18.0]
    """
    return -batch.completion


def sequence_sft(batch: SequenceLogProbs) -> Tensor:
    """Return the negative log-likelihood per token of each completion, so that every completion counts alike.

    Args:
        batch: Log-probabilities.

    Example:
        >>> from lit_iterative.losses.testing import sequences, show
        >>> show(sequence_sft(sequences(2.0)))
        [1.8]
    """
    return -per_token(batch.completion, batch.tokens)


def kl_sft(batch: SequenceLogProbs, beta: NonNegative = 0.1) -> Tensor:
    """Return the negative log-likelihood plus ``beta`` times an estimate of the KL divergence from the reference.

    ``-log pi(y) + beta * ratio^2 / 2``, summed over tokens. Where completions are the policy's own, the gradient of
    half the squared log-ratio is, in expectation, that of ``KL(pi, pi_ref)``; it is never below 0 and smallest where
    policy and reference agree.

    Source: the estimator k2 of Schulman, 2020, "Approximating KL divergence".

    Args:
        batch: Log-probabilities, with the reference's.
        beta: How much the divergence counts.

    Raises:
        DataError: If the reference is missing.

    Example:
        >>> from lit_iterative.losses.testing import sequences, show
        >>> show(kl_sft(sequences(2.0)))
        [18.2]
    """
    return -batch.completion + beta * batch.ratio**2 / 2
