"""Decoder: an engine for any causal LM, with the model's own cache and attention."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lit_iterative.columns import Array
from lit_iterative.errors import SetupError
from lit_iterative.generation.draws import draw, uniforms
from lit_iterative.generation.endings import Endings
from lit_iterative.generation.language import Completion, Sampling, Target
from lit_iterative.modes import caching
from lit_iterative.sequences import Tokens


class Decoder:
    """Samples batch after batch; prompts are padded on the left, and rows that have ended are computed on.

    Args:
        target: What to sample from.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._model = target.network

    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[Tokens],
        seeds: Sequence[int],
        sampling: Sampling,
        limits: Sequence[int] | None = None,
    ) -> list[Completion]:
        """Return one completion a prompt; see :class:`~lit_iterative.generation.language.Engine`.

        Raises:
            DataError: If a prompt is empty or leaves no room for a completion, or the model gives no numbers.
            SetupError: If the model has no cache of keys and values.
        """
        endings = Endings(self._target, sampling, prompts, limits)
        lengths = np.zeros(len(prompts), dtype=np.int64)
        for start in range(0, len(prompts), self._target.batch_size):
            numbers = np.arange(start, min(start + self._target.batch_size, len(prompts)))
            with caching(self._model):
                lengths[numbers] = self._batch(prompts, np.array(seeds, dtype=np.uint64), sampling, numbers, endings)
        return [endings.completion(number, int(length)) for number, length in enumerate(lengths)]

    def _batch(
        self, prompts: Sequence[Tokens], seeds: Array, sampling: Sampling, numbers: Array, endings: Endings
    ) -> Array:
        """Sample the completions of one batch, and return how many tokens each has."""
        ids, mask = self._padded([prompts[number] for number in numbers])
        lengths = np.zeros(len(numbers), dtype=np.int64)
        running = np.arange(len(numbers))
        cache = None
        for position in range(int(endings.limits[numbers].max())):
            logits, cache = self._next(ids, mask, cache)
            tokens = draw(logits, uniforms(seeds[numbers], position), sampling)
            rows = torch.tensor(running, device=tokens.device)
            ended = endings.add(numbers[running], lengths[running], tokens[rows], logits[rows])
            lengths[running] += 1
            running = running[~ended]
            if not len(running):
                break
            ids, mask = tokens[:, None].clamp(min=0), torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        return lengths

    def _next(self, ids: Tensor, mask: Tensor, cache: Any) -> tuple[Tensor, Any]:
        """Return the logits of the next token of every row, ``(rows, vocabulary)``, and the cache.

        A row that has ended stays at the last position of the context.
        """
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(dim=1) - 1).clamp(0, self._target.context - 1)[:, -ids.shape[1] :],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        if not hasattr(output, "past_key_values"):
            raise SetupError(
                f"{type(self._model).__name__} gives no past_key_values, the cache by which completions go on from "
                "token to token. Take a model with attention, or sample with a server: sampler: VLLMServer(...)."
            )
        return output.logits[:, -1], output.past_key_values

    def _padded(self, prompts: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
        """Return ids and mask, ``(rows, length)``, padded on the left."""
        length = max(len(prompt) for prompt in prompts)
        ids = torch.full((len(prompts), length), self._target.pad_id)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, length - len(prompt) :] = torch.tensor(list(prompt))
            mask[row, length - len(prompt) :] = 1
        return ids.to(self._model.device), mask.to(self._model.device)
