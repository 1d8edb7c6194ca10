"""Where completions end: at a stop token, at a stop text, or at their limit."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from lit_iterative.columns import Array
from lit_iterative.errors import DataError
from lit_iterative.generation.details import Details
from lit_iterative.generation.language import Completion, Finish, Sampling, Target
from lit_iterative.sequences import Tokens


class Endings:
    """Keeps the tokens of completions and says which ones have ended.

    Args:
        target: What is sampled from.
        sampling: How it is sampled.
        prompts: Token ids.
        limits: For each, tokens of its completion at most, where it is fewer than ``sampling`` says.

    Raises:
        DataError: If a prompt is empty, or leaves no room for a completion, or a limit is below 1.
    """

    def __init__(
        self, target: Target, sampling: Sampling, prompts: Sequence[Tokens], limits: Sequence[int] | None = None
    ) -> None:
        check_prompts(prompts, target.context)
        room = target.context - np.array([len(prompt) for prompt in prompts], dtype=np.int64)
        asked = sampling.max_new_tokens if limits is None else np.array(limits, dtype=np.int64)
        self.limits: Array = np.minimum(np.minimum(room, asked), sampling.max_new_tokens)
        if self.limits.min(initial=1) < 1:
            raise DataError(f"A completion's limit is {self.limits.min()} tokens. Give every limit at least 1.")
        self._target = target
        self._texts = sampling.stop
        self._reach = max((len(text.encode()) for text in sampling.stop), default=0)  # a token has a byte or more
        self._stops = np.array(sorted(set(target.stop_ids)), dtype=np.int64)
        self._tokens = np.zeros((len(prompts), int(self.limits.max(initial=0))), dtype=np.int32)
        self._stopped = np.zeros(len(prompts), dtype=bool)
        self._details = Details(*self._tokens.shape, sampling.alternatives) if sampling.details else None

    def add(self, numbers: Array, lengths: Array, drawn: Tensor, logits: Tensor) -> Array:
        """Add a token to some completions, and return which of them have ended, ``(rows,)``.

        Args:
            numbers: Which ones, ``(rows,)``.
            lengths: Tokens that each has so far, ``(rows,)``.
            drawn: The next of each, ``(rows,)``.
            logits: What it was drawn by, ``(rows, vocabulary)``.

        Raises:
            DataError: If the model gave no numbers to draw a token by.
        """
        tokens = drawn.cpu().numpy()
        if (tokens < 0).any():
            raise DataError(
                "The policy's logits are not numbers (NaN), so that nothing can be sampled. Has training diverged? "
                "Lower the learning rate, or clip gradients (Trainer(gradient_clip_val=1.0))."
            )
        if self._details is not None:
            self._details.add(numbers, lengths, logits, drawn)
        self._tokens[numbers, lengths] = tokens
        self._stopped[numbers] = np.isin(tokens, self._stops)
        if self._texts:
            self._stopped[numbers] |= [self._at_text(*row) for row in zip(numbers, lengths + 1, strict=True)]
        ended: Array = self._stopped[numbers] | (lengths + 1 >= self.limits[numbers])
        return ended

    def completion(self, number: int, length: int) -> Completion:
        """Return a completion that has ended."""
        finish: Finish = "stop" if self._stopped[number] else "length"
        scores = None if self._details is None else self._details.scores(number, length)
        return Completion(self._tokens[number, :length].tolist(), finish, scores)

    def _at_text(self, number: int, length: int) -> bool:
        tail = self._target.decode(self._tokens[number, max(0, length - self._reach - 1) : length].tolist())
        return any(text in tail for text in self._texts)


def check_prompts(prompts: Sequence[Tokens], context: int) -> None:
    """Check that every prompt has tokens, and leaves room for a completion.

    Raises:
        DataError: If one has none, or leaves none.
    """
    lengths = [len(prompt) for prompt in prompts]
    if 0 in lengths:
        raise DataError(
            "A prompt has no tokens, so that nothing predicts the first one of its completion. Let the tokenizer put "
            "a BOS token in front, or drop empty prompts."
        )
    longest = max(lengths, default=0)
    if longest >= context:
        raise DataError(
            f"A prompt has {longest} tokens, but the model's context is {context}, which leaves no room for a "
            "completion. Drop or shorten such prompts (PromptData(max_prompt_tokens=...)), or take a model with a "
            "longer context."
        )
