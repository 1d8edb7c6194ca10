"""Decoder: an engine that samples in this process from any transformers causal LM, token by token."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lit_iterative.columns import Array
from lit_iterative.errors import DataError
from lit_iterative.generation.draws import draw, uniforms
from lit_iterative.generation.language import Completion, Sampling
from lit_iterative.sequences import Tokens

#: The context of a model that names none, in tokens.
UNLIMITED = 2**31


class Decoder:
    """Samples from a model with a key-value cache; prompts are padded on the left.

    Args:
        model: A transformers causal LM.
        pad_id: What to pad with.
        stop_ids: Tokens that end a completion.
        batch_size: Prompts in one forward pass.
        context: Tokens of prompt and completion at most.
    """

    def __init__(self, model: Any, pad_id: int, stop_ids: Sequence[int], batch_size: int, context: int) -> None:
        self._model = model
        self._pad_id = pad_id
        self._stop_ids = sorted(set(stop_ids))
        self._batch_size = batch_size
        self._context = context

    @torch.no_grad()
    def generate(self, prompts: Sequence[Tokens], seeds: Sequence[int], sampling: Sampling) -> list[Completion]:
        """Return one completion a prompt; see :class:`~lit_iterative.generation.language.Engine`.

        Raises:
            DataError: If a prompt is empty or leaves no room for a completion, or the model gives no numbers.
        """
        check_prompts(prompts, self._context)
        made: list[Completion] = []
        for start in range(0, len(prompts), self._batch_size):
            part = slice(start, start + self._batch_size)
            made += self._batch(prompts[part], np.array(seeds[part], dtype=np.uint64), sampling)
        return made

    def _batch(self, prompts: Sequence[Tokens], seeds: Array, sampling: Sampling) -> list[Completion]:
        """Return the completions of the prompts of one batch."""
        ids, mask = self._padded(prompts)
        room = [min(sampling.max_new_tokens, self._context - len(prompt)) for prompt in prompts]
        limits = torch.tensor(room, device=ids.device)
        stops = torch.tensor(self._stop_ids, dtype=torch.long, device=ids.device)
        running = torch.ones(len(prompts), dtype=torch.bool, device=ids.device)
        broken = torch.zeros((), dtype=torch.bool, device=ids.device)
        chosen: list[Tensor] = []
        cache = None
        for position in range(max(room)):
            logits, cache = self._next(ids, mask, cache)
            broken |= logits.isnan().any()
            token = draw(logits, uniforms(seeds, position), sampling)
            chosen.append(token)
            running &= ~torch.isin(token, stops) & (position + 1 < limits)
            if not running.any():
                break
            ids, mask = token[:, None], torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        if broken:
            raise DataError(
                "The policy's logits are not numbers (NaN), so that nothing can be sampled. Has training diverged? "
                "Lower the learning rate, or clip gradients (Trainer(gradient_clip_val=1.0))."
            )
        tokens = torch.stack(chosen, dim=1).tolist()
        return [self._cut(row, limit) for row, limit in zip(tokens, room, strict=True)]

    def _next(self, ids: Tensor, mask: Tensor, cache: Any) -> tuple[Tensor, Any]:
        """Return the logits of the next token of every row, ``(rows, vocabulary)``, and the cache.

        A row that has ended is computed on with the others; it stays at the last position of the context.
        """
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(dim=1) - 1).clamp(0, self._context - 1)[:, -ids.shape[1] :],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1], output.past_key_values

    def _padded(self, prompts: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
        """Return ids and mask, ``(rows, length)``, padded on the left."""
        length = max(len(prompt) for prompt in prompts)
        ids = torch.full((len(prompts), length), self._pad_id)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, length - len(prompt) :] = torch.tensor(list(prompt))
            mask[row, length - len(prompt) :] = 1
        return ids.to(self._model.device), mask.to(self._model.device)

    def _cut(self, tokens: list[int], limit: int) -> Completion:
        """Return the tokens up to the first that ends the completion."""
        for place, token in enumerate(tokens[:limit]):
            if token in self._stop_ids:
                return Completion(tokens[: place + 1], "stop")
        return Completion(tokens[:limit], "length")


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
