"""BranchCache: a cache of transformers that keeps a prompt once, however many branches grow from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from transformers import Cache

from lit_iterative.attention.interface import Scale, passing
from lit_iterative.attention.parts import Part, hidden, part, visible
from lit_iterative.generation.stores import Store


class BranchCache(Cache):  # type: ignore[misc]  # transformers is not followed
    """Keys and values of prompts, each in a slot, and of branches, each in a row.

    Args:
        longest_prompt: Tokens of a prompt at most.
        longest_branch: Tokens of a branch at most.
    """

    def __init__(self, longest_prompt: int, longest_branch: int) -> None:
        super().__init__(layers=[])
        self.prompts = Store(longest_prompt)
        self.branches = Store(longest_branch)
        self._current: Prefill | Growth

    @contextmanager
    def during(self, current: "Prefill | Growth") -> Iterator[None]:
        """Let a pass of the model read and write here."""
        self._current = current
        with passing(current):
            yield

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Keep keys and values, and return those that the pass attends to beside the prompt."""
        return self._current.update(self, layer_idx, key_states, value_states)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return 0: positions are given to the model."""
        return 0


class Prefill:
    """A pass over prompts, padded on the right, which fills their slots.

    Args:
        slots: Of each prompt, ``(rows,)``.
    """

    def __init__(self, slots: Tensor) -> None:
        self._slots = slots

    def update(self, cache: BranchCache, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keep keys and values in the slots."""
        for room, made in zip(cache.prompts.layer(layer, keys, values), (keys, values), strict=True):
            room[self._slots, :, : made.shape[2]] = made
        return keys, values

    def attend(self, layer: int, query: Tensor, keys: Tensor, values: Tensor, scale: Scale) -> Tensor:
        """Attend to what stands before; padding stands behind."""
        length, shared = query.shape[2], query.shape[1] // keys.shape[1]
        if shared > 1:
            keys, values = keys.repeat_interleave(shared, dim=1), values.repeat_interleave(shared, dim=1)
        if scale.cap is None and (scale.window is None or scale.window >= length):
            seen: Tensor = torch.nn.functional.scaled_dot_product_attention(
                query, keys, values, is_causal=True, scale=scale.factor
            )
            return seen
        places = torch.arange(length, device=query.device)
        mask = hidden(visible(places[:, None], places, scale.window))
        return part(query, keys, values, scale, mask).values


class Growth:
    """A pass over the next tokens of branches: each attends to its prompt, and to its own tokens.

    Args:
        cache: Where the prompts are.
        slots: The slot of every branch's prompt, ``(rows,)``.
        lengths: Tokens of the prompt in every slot, ``(slots,)``.
        starts: Tokens that every branch has already, ``(rows,)``.
        tokens: Tokens that each is given now.
    """

    def __init__(self, cache: BranchCache, slots: Tensor, lengths: Tensor, starts: Tensor, tokens: int = 1) -> None:
        self._cache = cache
        self._slots = slots
        self._lengths = lengths
        self._starts = starts
        self._tokens = tokens
        self._longest_prompt = int(lengths.max())
        self._same_length = bool((lengths == self._longest_prompt).all())
        self._end = int(starts.max()) + tokens
        self._together = bool((starts == starts[0]).all())
        self._known: dict[tuple[int | None, int], tuple[Tensor | None, Tensor | None]] = {}

    @cached_property
    def positions(self) -> Tensor:
        """Positions of the tokens, ``(rows, tokens)``."""
        return (self._lengths[self._slots] + self._starts)[:, None] + self._range(self._tokens)

    def update(self, cache: BranchCache, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keep keys and values behind those of before, and return all of every branch."""
        rows = len(self._slots)
        rooms = cache.branches.layer(layer, keys, values)
        for room, made in zip(rooms, (keys, values), strict=True):
            if self._together:
                room[:rows, :, self._end - self._tokens : self._end] = made
            else:
                room[self._range(rows)[:, None], :, self._places] = made.transpose(1, 2)
        return rooms[0][:rows, :, : self._end], rooms[1][:rows, :, : self._end]

    def attend(self, layer: int, query: Tensor, keys: Tensor, values: Tensor, scale: Scale) -> Tensor:
        """Attend to both parts."""
        rows, heads, tokens, size = query.shape
        query = query.reshape(rows, keys.shape[1], -1, size)  # queries that share a head of keys stand together
        prompt_mask, own_mask = self._masks(scale.window, query.shape[2] // tokens)
        own = part(query, keys, values, scale, own_mask)
        if self._longest_prompt == 0:
            return own.values.reshape(rows, heads, tokens, -1)
        prompts = self._cache.prompts.layer(layer, keys, values)
        slots, length = len(self._lengths), self._longest_prompt
        keys, values = (room[:slots, :, :length] for room in prompts)
        seen = part(self._gathered(query), keys, values, scale, prompt_mask)
        back = Part(*(self._scattered(value) for value in (seen.values, seen.total)))
        return own.joined(back).reshape(rows, heads, tokens, -1)

    # ---- queries of one prompt beside each other ------------------------------------------------------

    @cached_property
    def _order(self) -> tuple[int, Tensor | None, Tensor | None]:
        """Return branches a prompt at most, the branch in every place, and every branch's place.

        There are none of the latter where branches stand in order, equally many of every prompt.
        """
        rows, slots = len(self._slots), len(self._lengths)
        counts = torch.bincount(self._slots, minlength=slots)
        most = int(counts.max())
        order = self._slots.argsort(stable=True)
        firsts = counts.cumsum(0) - counts
        ranks = torch.empty_like(order)
        ranks[order] = self._range(rows) - firsts[self._slots[order]]
        places = self._slots * most + ranks
        if slots * most == rows and torch.equal(places, self._range(rows)):
            return most, None, None
        branches = torch.zeros(slots * most, dtype=torch.long, device=self._slots.device)
        branches[places] = self._range(rows)
        return most, branches, places

    def _gathered(self, values: Tensor) -> Tensor:
        """Bring ``(rows, heads, queries, size)`` to ``(slots, heads, branches * queries, size)``."""
        most, branches, _ = self._order
        values = values if branches is None else values[branches]
        _, heads, queries, size = values.shape
        return values.reshape(-1, most, heads, queries, size).transpose(1, 2).flatten(2, 3)

    def _scattered(self, values: Tensor) -> Tensor:
        """Bring ``(slots, heads, branches * queries, size)`` back to ``(rows, heads, queries, size)``."""
        most, _, places = self._order
        slots, heads, queries, size = values.shape
        values = values.reshape(slots, heads, most, queries // most, size).transpose(1, 2).flatten(0, 1)
        return values if places is None else values[places]

    # ---- what is hidden -------------------------------------------------------------------------------

    def _masks(self, window: int | None, shared: int) -> tuple[Tensor | None, Tensor | None]:
        """Return what is added to the scores of the prompt and of the own part, for query heads that share keys."""
        if window is not None and window >= self._longest_prompt + self._end:
            window = None
        if (window, shared) not in self._known:
            self._known[window, shared] = (self._prompt_mask(window, shared), self._own_mask(window, shared))
        return self._known[window, shared]

    def _prompt_mask(self, window: int | None, shared: int) -> Tensor | None:
        """Return it as ``(slots, 1, 1 or branches * queries, prompt)``."""
        places = self._range(self._longest_prompt)
        within = places < self._lengths[:, None]
        if window is None or self._longest_prompt == 0:
            return None if self._same_length else hidden(within)[:, None, None]
        seen = visible(self.positions[:, :, None], places, window) & within[self._slots][:, None]
        return self._gathered(hidden(seen)[:, None].repeat(1, 1, shared, 1))

    def _own_mask(self, window: int | None, shared: int) -> Tensor | None:
        """Return it as ``(rows, 1, queries, own)``."""
        if self._together and self._tokens == 1 and window is None:
            return None
        seen = visible(self._places[:, :, None], self._range(self._end), window)
        return hidden(seen)[:, None].repeat(1, 1, shared, 1)

    @cached_property
    def _places(self) -> Tensor:
        """Where the tokens stand in their branch, ``(rows, tokens)``."""
        return self._starts[:, None] + self._range(self._tokens)

    def _range(self, count: int) -> Tensor:
        return torch.arange(count, device=self._slots.device)
