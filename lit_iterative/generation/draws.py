"""Draws of next tokens from a counter-based generator: a draw depends on its seed and position alone.

A row's uniform number at a position is a hash of (seed, position); the token is where the cumulative distribution
passes it. So the batch that a row happens to be in, and the rank that computes it, change no draw.
"""

import numpy as np
import torch
from torch import Tensor

from lit_iterative.columns import Array
from lit_iterative.generation.language import Sampling


def uniforms(seeds: Array, position: int) -> Array:
    """Return a number in [0, 1) for each seed, float64 ``(rows,)``: SplitMix64 (Steele et al., 2014, figure 17).

    Args:
        seeds: Unsigned 64-bit integers, ``(rows,)``.
        position: Which of the seed's numbers.

    Example:
        >>> uniforms(np.array([1, 1, 2], dtype=np.uint64), 0).round(3).tolist()
        [0.944, 0.944, 0.085]
    """
    with np.errstate(over="ignore"):
        state = _mixed(seeds.astype(np.uint64)) + np.uint64(position + 1) * np.uint64(0x9E3779B97F4A7C15)
        bits = _mixed(state) >> np.uint64(11)
    return np.asarray(bits.astype(np.float64) * 2.0**-53)


def _mixed(state: Array) -> Array:
    """The finaliser of SplitMix64, whose input is the state after one step."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(state ^ (state >> np.uint64(31)))


def draw(logits: Tensor, uniform: Array, sampling: Sampling) -> Tensor:
    """Return the next token of every row, ``(rows,)``.

    Args:
        logits: ``(rows, vocabulary)``.
        uniform: A number in [0, 1) for each row, ``(rows,)``.
        sampling: How to draw.

    Example:
        >>> logits = torch.tensor([[0.0, 0.0, -torch.inf]])
        >>> [draw(logits, np.array([u]), Sampling()).item() for u in (0.4, 0.6, 0.999)]
        [0, 1, 1]
    """
    if sampling.temperature == 0:
        return logits.argmax(dim=-1)
    probs = (logits.float() / sampling.temperature).softmax(dim=-1)
    cumulative = truncated(probs, sampling).double().cumsum(dim=-1)
    wanted = torch.from_numpy(uniform).to(logits.device)[:, None] * cumulative[:, -1:]
    # the first token whose cumulative probability is above the number; one of probability 0 never is
    return torch.searchsorted(cumulative, wanted, right=True).squeeze(-1).clamp(max=logits.shape[-1] - 1)


def truncated(probs: Tensor, sampling: Sampling) -> Tensor:
    """Return the probabilities with those outside of top-k and top-p set to 0, not normalised.

    Top-p is taken after top-k (Holtzman et al., 2020, arXiv:1904.09751, section 3.1): the token with which the
    cumulative probability reaches p is the last that stays.

    Example:
        >>> truncated(torch.tensor([[0.5, 0.25, 0.25]]), Sampling(top_p=0.6)).tolist()
        [[0.5, 0.25, 0.0]]
    """
    whole = (sampling.top_k == 0 or sampling.top_k >= probs.shape[-1]) and sampling.top_p == 1.0
    if whole:
        return probs
    ordered, places = probs.sort(dim=-1, descending=True, stable=True)
    if sampling.top_k:
        ordered[:, sampling.top_k :] = 0.0
    before = ordered.cumsum(dim=-1) - ordered
    ordered = ordered.masked_fill(before >= sampling.top_p * ordered.sum(dim=-1, keepdim=True), 0.0)
    return torch.zeros_like(probs).scatter(-1, places, ordered)
