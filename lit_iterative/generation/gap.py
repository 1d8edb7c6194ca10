"""The gap between an engine that samples and the trainer: the same tokens, two log-probabilities."""

from collections.abc import Sequence

import numpy as np

from lit_iterative.columns import Array
from lit_iterative.generation.language import Completion, TokenScores


def gaps(completions: Sequence[Completion], scores: Sequence[TokenScores]) -> Array:
    """Return how far the engine's log-probability of each token is from the trainer's, in nats, ``(tokens,)``.

    Their mean is 0 where engine and trainer compute the same; it grows with other precision or kernels, and jumps
    where the engine has other weights.

    Args:
        completions: As the engine gave them; those without log-probabilities are left out.
        scores: Of each, by the trainer.

    Example:
        >>> drawn = Completion([5, 6], "stop", TokenScores(np.array([-1.0, -2.0], dtype=np.float32)))
        >>> gaps([drawn], [TokenScores(np.array([-1.5, -2.0], dtype=np.float32))])
        array([0.5, 0. ])
    """
    both = [
        np.stack([completion.scores.log_probs, score.log_probs]).astype(np.float64)
        for completion, score in zip(completions, scores, strict=True)
        if completion.scores is not None
    ]
    engine, trainer = np.concatenate([*both, np.zeros((2, 0))], axis=1)
    difference: Array = np.abs(engine - trainer)
    return difference
