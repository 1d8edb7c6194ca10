"""What a model hides by masks alone: an attention that is not told of it cannot be replaced."""

from typing import Any

import torch
from torch import Tensor

from lit_iterative.attention.interface import replaced

NAME = "lit_iterative_masks"


@torch.no_grad()
def untold(model: Any, ids: Tensor) -> list[int]:
    """Return the lengths of windows or chunks that a model builds into its masks and does not tell its attention of.

    The model reads some tokens with masks and an attention that only note what they are asked for; so a window is
    found that is longer than these are.

    Args:
        model: A transformers causal LM.
        ids: Any tokens, ``(rows, tokens)``.
    """
    try:
        from transformers import AttentionMaskInterface
    except ImportError:  # older models build their masks themselves, which a replaced attention refuses
        return []
    masked: set[int | None] = set()
    told: set[int | None] = {None}

    def mask(*_: Any, local_size: int | None = None, **__: Any) -> None:
        masked.add(local_size)

    def attention(
        _: Any, query: Tensor, key: Tensor, value: Tensor, *__: Any, sliding_window: int | None = None, **___: Any
    ) -> tuple[Tensor, None]:
        told.add(sliding_window)
        return value.new_zeros(query.shape[0], query.shape[2], query.shape[1], value.shape[-1]), None

    AttentionMaskInterface.register(NAME, mask)
    with replaced(model, NAME, attention):
        model(input_ids=ids, use_cache=False)
    return sorted(length for length in masked - told if length is not None)
