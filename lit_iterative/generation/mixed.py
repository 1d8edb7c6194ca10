"""MixedDecoder: completions whose every token is drawn from a mixture of two contexts' distributions."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from lit_iterative.columns import Array
from lit_iterative.generation.decoder import Decoder
from lit_iterative.generation.draws import draw, uniforms
from lit_iterative.generation.endings import Endings, check_prompts
from lit_iterative.generation.language import Completion, Sampling, TokenMixture
from lit_iterative.modes import caching
from lit_iterative.sequences import Tokens


class MixedDecoder(Decoder):
    """Reads every completion behind two contexts at once; rows of both stand in one batch, the first ones above."""

    @torch.no_grad()
    def generate_mixed(
        self, contexts: Sequence[tuple[Tokens, Tokens]], mixture: TokenMixture, seeds: Sequence[int], sampling: Sampling
    ) -> list[Completion]:
        """Return a completion of every two contexts.

        Args:
            contexts: The first and the second, as token ids.
            mixture: How the two distributions of every token are one.
            seeds: For each, the seed of its draws.
            sampling: How to draw from the mixture.

        Raises:
            DataError: If a context is empty or leaves no room for a completion, or the model gives no numbers.
            SetupError: If the model has no cache of keys and values.
        """
        check_prompts([context for both in contexts for context in both], self._target.context)
        endings = Endings(self._target, sampling, [max(both, key=len) for both in contexts])
        numbers, shares = np.array(seeds, dtype=np.uint64), torch.tensor(mixture.shares, dtype=torch.float32)
        lengths = np.zeros(len(contexts), dtype=np.int64)
        step = max(1, self._target.batch_size // 2)
        for start in range(0, len(contexts), step):
            rows = np.arange(start, min(start + step, len(contexts)))
            given = self._padded([contexts[row][side] for side in (0, 1) for row in rows.tolist()])
            mix = partial(mixed_logits, shares=shares[rows].to(self._model.device), kind=mixture.kind)
            with caching(self._model):
                lengths[rows] = self._together(*given, mix, numbers[rows], sampling, rows, endings)
        return [endings.completion(row, int(length)) for row, length in enumerate(lengths)]

    def _together(
        self,
        ids: Tensor,
        mask: Tensor,
        mix: Callable[[Tensor, Tensor], Tensor],
        seeds: Array,
        sampling: Sampling,
        rows: Array,
        endings: Endings,
    ) -> Array:
        """Sample the completions of one batch, and return how many tokens each has."""
        lengths, running, cache = np.zeros(len(rows), dtype=np.int64), np.arange(len(rows)), None
        for position in range(int(endings.limits[rows].max())):
            logits, cache = self._next(ids, mask, cache)
            logits = mix(*logits.chunk(2))
            tokens = draw(logits, uniforms(seeds, position), sampling)
            places = torch.tensor(running, device=tokens.device)
            ended = endings.add(rows[running], lengths[running], tokens[places], logits[places])
            lengths[running] += 1
            running = running[~ended]
            if not len(running):
                break
            ids = tokens.repeat(2)[:, None].clamp(min=0)
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        return lengths


def mixed_logits(first: Tensor, second: Tensor, shares: Tensor, kind: Literal["arithmetic", "geometric"]) -> Tensor:
    """Return the logits of a mixture, ``(rows, vocabulary)``; their log-probabilities, but for a constant a row.

    Args:
        first: Logits behind the first context, ``(rows, vocabulary)``.
        second: Those behind the second.
        shares: The first one's share, ``(rows,)``.
        kind: See :class:`~lit_iterative.generation.language.TokenMixture`.

    Example:
        >>> p, q = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.1, 0.9]]).log()
        >>> mixed_logits(p, q, torch.tensor([0.5]), "arithmetic").exp()
        tensor([[0.3000, 0.7000]])
        >>> mixed_logits(p, q, torch.tensor([2.0]), "geometric").softmax(dim=-1)
        tensor([[0.9000, 0.1000]])
    """
    p, q, a = first.float().log_softmax(dim=-1), second.float().log_softmax(dim=-1), shares[:, None]
    return torch.logaddexp(p + a.log(), q + (1 - a).log()) if kind == "arithmetic" else a * p + (1 - a) * q
