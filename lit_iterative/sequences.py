"""Prompts and completions as padded tensors: the one layout in which they are scored and trained on.

Padding is on the right, positions count from 0, and only positions of the completion count. Nothing else in
the package decides where a completion begins.
"""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from lit_iterative.errors import DataError
from lit_iterative.trees import Tokens, Trees, planted

__all__ = ["Sequences", "Tokens", "pad"]


class Sequences:
    """A batch of prompts with their completions.

    It is no dataclass and no tuple, so that Lightning brings it to a device but leaves its precision alone: masks
    and log-probabilities would not survive bfloat16.

    Args:
        input_ids: Tokens, ``(rows, length)``.
        attention_mask: 1 for tokens, 0 for padding, ``(rows, length)``.
        completion_mask: The weight of every token in the loss, ``(rows, length)``, float32; 0 for prompt and
            padding, and for the completion 1 unless weights were given.
        texts: The prompts and the completions that the rows are made of, where they are known.
    """

    def __init__(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        completion_mask: Tensor,
        texts: tuple[Sequence[Tokens], Sequence[Tokens]] | None = None,
    ) -> None:
        self.input_ids = input_ids
        self.attention_mask = attention_mask
        self.completion_mask = completion_mask
        self.texts = texts

    @cached_property
    def trees(self) -> Trees | None:
        """The same without padding, every prompt once; made when first asked for, as not every model takes trees."""
        trees = None if self.texts is None else planted(*self.texts)
        return None if trees is None else trees.to(self.input_ids.device)

    @property
    def position_ids(self) -> Tensor:
        """Positions from 0, ``(rows, length)``; padding stays at the last."""
        return (self.attention_mask.cumsum(dim=1) - 1).clamp(min=0)

    def __len__(self) -> int:
        return len(self.input_ids)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Sequences":
        """Return the batch on a device."""
        parts = (self.input_ids, self.attention_mask, self.completion_mask)
        ids, attention, mask = (part.to(device, non_blocking=non_blocking) for part in parts)
        return Sequences(ids, attention, mask, self.texts)

    def pin_memory(self) -> "Sequences":
        """Return the batch in pinned memory."""
        parts = (self.input_ids, self.attention_mask, self.completion_mask)
        ids, attention, mask = (part.pin_memory() for part in parts)
        return Sequences(ids, attention, mask, self.texts)


def pad(
    prompts: Sequence[Tokens],
    completions: Sequence[Tokens],
    pad_id: int,
    weights: Sequence[Sequence[float] | None] | None = None,
) -> Sequences:
    """Join prompts and completions and pad them on the right.

    Args:
        prompts: Token ids, at least one each.
        completions: Token ids, with their EOS where they have one.
        pad_id: What to pad with; it may be any token, since the masks alone say what is padding.
        weights: Weights of every completion's tokens; 1 where left out.

    Raises:
        DataError: If a prompt is empty, or weights are not one for each token.

    Example:
        >>> batch = pad([[1, 5], [1]], [[6, 2], [7]], pad_id=0)
        >>> batch.input_ids.tolist(), batch.completion_mask.tolist()
        ([[1, 5, 6, 2], [1, 7, 0, 0]], [[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
    """
    lengths = [len(prompt) + len(completion) for prompt, completion in zip(prompts, completions, strict=True)]
    shape = (len(lengths), max(lengths, default=1))
    ids = torch.full(shape, pad_id, dtype=torch.long)
    attention = torch.zeros(shape, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.float32)
    for row, (prompt, completion, length) in enumerate(zip(prompts, completions, lengths, strict=True)):
        if not len(prompt):
            raise DataError(
                "A prompt has no tokens, so that nothing predicts the first one of its completion. Let the tokenizer "
                "put a BOS token in front, or drop empty prompts."
            )
        ids[row, :length] = torch.tensor([*prompt, *completion])
        attention[row, :length] = 1
        mask[row, len(prompt) : length] = 1.0 if weights is None else _weights(weights[row], len(completion))
    return Sequences(ids, attention, mask, (prompts, completions))


def _weights(weights: Sequence[float] | None, tokens: int) -> Tensor | float:
    if weights is None:
        return 1.0
    if len(weights) != tokens:
        raise DataError(
            f"A completion has {tokens} tokens but {len(weights)} weights in its mask. Give one for each token, EOS "
            "included."
        )
    return torch.tensor(weights, dtype=torch.float32)
