"""Scorer: how likely given completions are, with every prompt read once for all of its completions."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lit_iterative.errors import DataError
from lit_iterative.attention.interface import replaced
from lit_iterative.generation.branches import BranchCache, Growth
from lit_iterative.generation.language import Target, TokenScores
from lit_iterative.generation.prefill import read
from lit_iterative.generation.queue import Shared, grouped
from lit_iterative.losses.log_probs import spread
from lit_iterative.sequences import Tokens

#: Logits that are held at a time: a gigabyte of them in float32.
LOGITS = 2**28


class Scorer:
    """Scores completions with a model whose attention can be replaced, see :mod:`lit_iterative.generation.probe`.

    Args:
        target: The model.
    """

    def __init__(self, target: Target) -> None:
        self._target = target

    @torch.no_grad()
    def log_probs(
        self, prompts: Sequence[Tokens], completions: Sequence[Tokens], details: bool = False
    ) -> list[TokenScores]:
        """Return how likely each completion is, at temperature 1.

        Args:
            prompts: Token ids, at least one each; equal ones are read once.
            completions: Token ids, at least one each.
            details: Whether to give entropies and divergences from the uniform distribution as well.

        Raises:
            DataError: If a prompt or a completion has no tokens.
        """
        if not all(map(len, prompts)) or not all(map(len, completions)):
            raise DataError("A prompt or a completion has no tokens, so that there is nothing to score. Drop it.")
        scores: dict[int, TokenScores] = {}
        waiting = grouped(prompts, range(len(prompts)))
        with replaced(self._target.network):
            while waiting:
                self._prompt(waiting.popleft(), completions, details, scores)
        return [scores[number] for number in range(len(prompts))]

    def _prompt(
        self, shared: Shared, completions: Sequence[Tokens], details: bool, scores: dict[int, TokenScores]
    ) -> None:
        """Score the completions of one prompt, the longest first."""
        numbers = sorted(shared.branches, key=lambda number: -len(completions[number]))
        longest = len(completions[numbers[0]])
        cache, shared.slot = BranchCache(len(shared.before), longest), 0
        read(self._target, cache, [shared], slots=1)
        vocabulary = self._target.network.config.get_text_config().vocab_size
        step = max(1, min(self._target.batch_size, LOGITS // (longest * vocabulary)))
        cache.branches.reserve(min(step, len(numbers)), longest)
        for start in range(0, len(numbers), step):
            some = numbers[start : start + step]
            logits = self._logits(cache, shared, [completions[number] for number in some])
            for number, row in zip(some, logits, strict=True):
                scores[number] = scored(row, completions[number], details)

    def _logits(self, cache: BranchCache, shared: Shared, completions: list[Tokens]) -> Tensor:
        """Return the logits that predict the tokens of completions, ``(rows, tokens, vocabulary)``."""
        device = self._target.network.device
        ids = torch.full((len(completions), len(completions[0])), self._target.pad_id)
        for row, completion in enumerate(completions):
            given = [shared.ids[-1], *completion[:-1]]
            ids[row, : len(given)] = torch.tensor(given)
        nothing = torch.zeros(len(completions), dtype=torch.long, device=device)
        lengths = torch.tensor([len(shared.before)], device=device)
        growth = Growth(cache, nothing, lengths, nothing, ids.shape[1])
        with cache.during(growth):
            output = self._target.network(
                input_ids=ids.to(device), position_ids=growth.positions, past_key_values=cache, use_cache=True
            )
        logits: Tensor = output.logits
        return logits


def scored(logits: Tensor, completion: Tokens, details: bool) -> TokenScores:
    """Return how likely the tokens of one completion are by the logits that predict them, ``(tokens, vocabulary)``."""
    every = logits[: len(completion)].float().log_softmax(dim=-1)
    chosen = every.gather(-1, torch.tensor(list(completion), device=every.device)[:, None]).squeeze(-1)
    columns = (chosen, *spread(every)) if details else (chosen,)
    return TokenScores(*(column.cpu().numpy() for column in columns))
