"""Log-probabilities of completions: the one primitive that scores policy and reference alike.

Completion positions only, EOS included, prompt and padding excluded, temperature 1; float32 whatever the model's
precision, but for float64. Where the network allows, every prompt is read once for all of its completions, nothing is
padded, and no logits are made for other positions, and never all at a time.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lit_iterative.attention.interface import Unsupported
from lit_iterative.attention.probe import growing, remember, takes_trees
from lit_iterative.losses.projection import token_log_probs
from lit_iterative.losses.split import split
from lit_iterative.sequences import Sequences
from lit_iterative.trees import Trees


class Scored(NamedTuple):
    """Log-probabilities of a batch of completions; position t is about the token at t + 1.

    Args:
        log_probs: Of every token of a completion, ``(rows, length - 1)``, float32; 0 elsewhere.
        weights: Their weights in the loss, ``(rows, length - 1)``; 0 elsewhere.
        entropy: Entropy of the distribution that predicts each, in nats, ``(rows, length - 1)``; on request.
        uniform: KL divergence from the uniform distribution to it, in nats, ``(rows, length - 1)``; on request.
    """

    log_probs: Tensor
    weights: Tensor
    entropy: Tensor | None = None
    uniform: Tensor | None = None

    @property
    def sums(self) -> Tensor:
        """Weighted sum over each completion, ``(rows,)``, float32."""
        return (self.weights * self.log_probs).sum(dim=1)

    @property
    def tokens(self) -> Tensor:
        """Tokens of each completion, ``(rows,)``; with weights, their sum."""
        return self.weights.sum(dim=1)


def score(model: Any, batch: Sequences, details: bool = False) -> Scored:
    """Score completions with a decoder.

    Args:
        model: A transformers causal LM, or what is called like one and returns ``logits``
            ``(rows, length, vocabulary)``.
        batch: Prompts and completions, on its device.
        details: Whether to give entropies and divergences from the uniform distribution as well.

    Example:
        >>> from types import SimpleNamespace
        >>> from lit_iterative.sequences import pad
        >>> uniform = lambda input_ids, **_: SimpleNamespace(logits=torch.zeros(*input_ids.shape, 4))
        >>> score(uniform, pad([[1]], [[2, 3]], pad_id=0)).sums.exp()
        tensor([0.0625])
    """
    if takes_trees(model) and batch.trees is not None:
        state = torch.get_rng_state()
        try:
            return _of_trees(model, batch, batch.trees, details)
        except Unsupported as error:  # what shows in training alone, such as dropout
            torch.set_rng_state(state)
            remember(model, str(error))
    return _of_rows(model, batch, details)


def _of_trees(model: Any, batch: Sequences, trees: Trees, details: bool) -> Scored:
    """Score completions where each prompt is read once, and nothing is padded."""
    inputs = {"input_ids": trees.input_ids, "position_ids": trees.position_ids, "use_cache": False}
    parts, tokens = split(model), len(trees.targets)
    measure = spread if details else None
    with growing(model, trees):
        if parts is None:
            values = _values(model(**inputs, logits_to_keep=tokens).logits[0, -tokens:], trees.targets, details)
        else:
            hidden = parts.body(**inputs).last_hidden_state[0, -tokens:]
            values = token_log_probs(hidden, parts.head, trees.targets, parts.finish, measure)
    weights, rows, places = _completions(batch)
    sources = trees.sources[rows, places]
    return _dense([value[sources] for value in values], weights, rows, places)


def _of_rows(model: Any, batch: Sequences, details: bool) -> Scored:
    """Score completions, a padded row each."""
    inputs = {
        "input_ids": batch.input_ids,
        "attention_mask": batch.attention_mask,
        "position_ids": batch.position_ids,
        "use_cache": False,
    }
    parts = split(model)
    if parts is None:
        return from_logits(model(**inputs).logits, batch, details)
    hidden = parts.body(**inputs).last_hidden_state
    weights, rows, places = _completions(batch)
    tokens, measure = batch.input_ids[rows, places + 1], spread if details else None
    values = token_log_probs(hidden[rows, places], parts.head, tokens, parts.finish, measure)
    return _dense(values, weights, rows, places)


def from_logits(logits: Tensor, batch: Sequences, details: bool = False) -> Scored:
    """Score completions by logits ``(rows, length, vocabulary)``; those at position t predict the token at t + 1."""
    weights, rows, places = _completions(batch)
    values = _values(logits[rows, places], batch.input_ids[rows, places + 1], details)
    return _dense(values, weights, rows, places)


def _values(logits: Tensor, tokens: Tensor, details: bool) -> tuple[Tensor, ...]:
    """Return log-probabilities of tokens by the logits that predict them, and more on request."""
    every = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=-1)
    return every.gather(-1, tokens[:, None]).squeeze(-1), *(spread(every) if details else ())


def _completions(batch: Sequences) -> tuple[Tensor, Tensor, Tensor]:
    """Return the weights of all but the first position, and the rows and places of those that predict a completion."""
    weights = batch.completion_mask[:, 1:]
    rows, places = weights.nonzero(as_tuple=True)
    return weights, rows, places


def _dense(values: Sequence[Tensor], weights: Tensor, rows: Tensor, places: Tensor) -> Scored:
    """Return values of places where they stand in the batch."""
    weights = weights.to(values[0].dtype)
    dense = [torch.zeros_like(weights).index_put((rows, places), value) for value in values]
    return Scored(dense[0], weights, *dense[1:])


def spread(log_probs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the entropy of every distribution and ``KL(uniform || p)``, ``(tokens,)`` each.

    The mean of the second over a completion is its self-certainty (Kang et al., 2025, arXiv:2502.18581).
    """
    entropy = torch.special.entr(log_probs.exp()).sum(dim=-1)
    return entropy, -log_probs.mean(dim=-1) - math.log(log_probs.shape[-1])
