"""What completions were drawn from: how likely their tokens are, and which others were."""

import numpy as np
from torch import Tensor

from lit_iterative.columns import Array
from lit_iterative.errors import DataError
from lit_iterative.generation.language import TokenScores
from lit_iterative.losses.log_probs import spread


class Details:
    """Keeps what ``Sampling(details=True)`` asks for, of all completions.

    Args:
        completions: How many there are.
        tokens: Of each at most.
        alternatives: Most likely tokens to keep.
    """

    def __init__(self, completions: int, tokens: int, alternatives: int) -> None:
        self._numbers = np.zeros((completions, tokens, 3), dtype=np.float32)  # log-probability, entropy, uniform
        self._alternatives = np.zeros((completions, tokens, alternatives), dtype=np.int64)
        self._alternative_log_probs = np.zeros((completions, tokens, alternatives), dtype=np.float32)

    def add(self, numbers: Array, lengths: Array, logits: Tensor, tokens: Tensor) -> None:
        """Keep what the next token of some completions was drawn from.

        Args:
            numbers: Which completions, ``(rows,)``.
            lengths: Tokens that each has so far, ``(rows,)``.
            logits: ``(rows, vocabulary)``.
            tokens: What was drawn, ``(rows,)``.

        Raises:
            DataError: If more alternatives are asked for than there are tokens.
        """
        if self._alternatives.shape[-1] > logits.shape[-1]:
            raise DataError(
                f"Sampling(alternatives) is {self._alternatives.shape[-1]}, but the model knows {logits.shape[-1]} "
                "tokens. Ask for fewer."
            )
        every = logits.float().log_softmax(dim=-1)
        drawn = every.gather(-1, tokens.clamp(min=0)[:, None]).squeeze(-1)
        for place, values in enumerate((drawn, *spread(every))):
            self._numbers[numbers, lengths, place] = values.cpu().numpy()
        if self._alternatives.shape[-1]:
            values, places = every.topk(self._alternatives.shape[-1], dim=-1)
            self._alternatives[numbers, lengths] = places.cpu().numpy()
            self._alternative_log_probs[numbers, lengths] = values.cpu().numpy()

    def scores(self, number: int, length: int) -> TokenScores:
        """Return those of a completion that has ended."""
        columns = self._numbers[number, :length].T.copy()
        some = (self._alternatives, self._alternative_log_probs)
        return TokenScores(*columns, *(values[number, :length].copy() for values in some))
