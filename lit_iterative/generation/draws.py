"""Draws of next tokens from a counter-based generator: a draw depends on its seed and position alone.

A row's uniform number at a position is a hash of (seed, position); the token is where the cumulative distribution
passes it. So the batch that a row happens to be in, and the rank that computes it, change no draw.
"""

import numpy as np
import torch
from torch import Tensor

from lit_iterative.columns import Array
from lit_iterative.generation.language import Sampling

#: Numbers that are worked on at a time: so many stay in a processor's cache.
TILE = 2**19
#: Tokens whose probabilities are added up at a time.
BLOCK = 128
#: From this share on, drawing again until a token is in the nucleus takes less time than to sort the vocabulary.
REJECT = 0.5


def uniforms(seeds: Array, position: int | Array) -> Array:
    """Return a number in [0, 1) for each seed, float64 ``(rows,)``: SplitMix64 (Steele et al., 2014, figure 17).

    Args:
        seeds: Unsigned 64-bit integers, ``(rows,)``.
        position: Which of the seed's numbers; one for all, or one for each.

    Example:
        >>> uniforms(np.array([1, 1, 2], dtype=np.uint64), 0).round(3).tolist()
        [0.944, 0.944, 0.085]
    """
    with np.errstate(over="ignore"):
        count = np.asarray(position).astype(np.uint64) + np.uint64(1)
        state = _mixed(seeds.astype(np.uint64)) + count * np.uint64(0x9E3779B97F4A7C15)
        bits = _mixed(state) >> np.uint64(11)
    return np.asarray(bits.astype(np.float64) * 2.0**-53)


def _mixed(state: Array) -> Array:
    """The finaliser of SplitMix64, whose input is the state after one step."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(state ^ (state >> np.uint64(31)))


def draw(logits: Tensor, uniform: Array, sampling: Sampling) -> Tensor:
    """Return the next token of every row, ``(rows,)``; -1 where logits are no numbers (NaN).

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
        highest, tokens = logits.max(dim=-1)
        return tokens.masked_fill(highest.isnan(), -1)
    numbers = torch.from_numpy(uniform).to(logits.device)
    step = max(1, TILE // logits.shape[-1])
    tiles = zip(torch.split(logits, step), torch.split(numbers, step), strict=True)
    return torch.cat([_drawn(tile, part, sampling) for tile, part in tiles])


def _drawn(logits: Tensor, uniform: Tensor, sampling: Sampling) -> Tensor:
    """Return the next token of the rows of a tile."""
    scaled = logits.float() if sampling.temperature == 1 else logits.float() / sampling.temperature
    tokens = scaled.shape[-1]
    some = sampling.top_k if 0 < sampling.top_k < tokens else tokens
    if some == tokens and sampling.top_p >= REJECT:
        probs = scaled.softmax(dim=-1)
        drawn = _nucleus(at_least(probs, sampling.min_p), uniform, sampling.top_p)
    else:
        scaled, places = scaled.topk(some) if some < tokens else scaled.sort(dim=-1, descending=True, stable=True)
        probs = scaled.softmax(dim=-1)
        drawn = places.gather(-1, invert(truncated(probs, sampling), uniform)[:, None]).squeeze(-1)
    return drawn.masked_fill(probs[:, 0].isnan(), -1)


def _nucleus(probs: Tensor, uniform: Tensor, share: float) -> Tensor:
    """Return a token of the nucleus for every row, without a sort: tokens are drawn until one is in it.

    A token is in it if those before it, which are more likely, have less than the share.
    """
    drawn = invert(probs, uniform)
    rows = torch.arange(len(probs), device=probs.device)
    while share < 1:
        rows = rows[_before(probs[rows], drawn[rows, None]) >= share]
        if not len(rows):
            break
        uniform = torch.from_numpy(uniforms(uniform.cpu().numpy().view(np.uint64), 0)).to(probs.device)
        drawn[rows] = invert(probs[rows], uniform[rows])
    return drawn


def _before(probs: Tensor, token: Tensor) -> Tensor:
    """Return the probability of all tokens that stand before one, most likely first, ``(rows,)``."""
    mine = probs.gather(-1, token)
    ties = (probs == mine) & (torch.arange(probs.shape[-1], device=probs.device) < token)
    return probs.masked_fill(~(ties | (probs > mine)), 0.0).sum(dim=-1)


def truncated(probs: Tensor, sampling: Sampling) -> Tensor:
    """Return probabilities, most likely first, with those that top-p and min-p leave out set to 0, not normalised.

    The token with which the cumulative probability reaches p is the last that stays (Holtzman et al., 2020,
    arXiv:1904.09751, section 3.1).

    Example:
        >>> truncated(torch.tensor([[0.5, 0.25, 0.25]]), Sampling(top_p=0.6)).tolist()
        [[0.5, 0.25, 0.0]]
    """
    if sampling.top_p < 1:
        before = probs.cumsum(dim=-1) - probs
        probs = probs.masked_fill(before >= sampling.top_p, 0.0)
    return at_least(probs, sampling.min_p)


def at_least(probs: Tensor, share: float) -> Tensor:
    """Return probabilities with those below a share of the highest set to 0."""
    return probs.masked_fill(probs < share * probs.amax(dim=-1, keepdim=True), 0.0) if share else probs


def invert(probs: Tensor, uniform: Tensor) -> Tensor:
    """Return where the cumulative distribution passes a number, ``(rows,)``: a token of probability 0 never does.

    The sum runs over blocks first, and then over the one block in which it passes: so the whole vocabulary is read
    once, and what is summed one by one, in float64, is short.

    Args:
        probs: Float32 ``(rows, tokens)``; they need not add up to 1.
        uniform: In [0, 1), float64 ``(rows,)``.
    """
    rows, tokens = probs.shape
    whole = tokens // BLOCK * BLOCK
    parts = (
        probs[:, :whole].reshape(rows, whole // BLOCK, BLOCK).sum(dim=-1),
        probs[:, whole:].sum(dim=-1, keepdim=True),
    )
    sums = torch.cat(parts, dim=-1).double().cumsum(dim=-1)
    wanted = uniform[:, None] * sums[:, -1:]
    block = _passed(sums, wanted)
    before = torch.nn.functional.pad(sums, (1, 0)).gather(-1, block)
    places = block * BLOCK + torch.arange(BLOCK, device=probs.device)
    within = probs.gather(-1, places.clamp(max=tokens - 1)).double().masked_fill(places >= tokens, 0.0)
    return (block * BLOCK + _passed(within.cumsum(dim=-1), wanted - before)).squeeze(-1).clamp(max=tokens - 1)


def _passed(cumulative: Tensor, wanted: Tensor) -> Tensor:
    """Return the first place above a number, ``(rows, 1)``; where rounding hides it, the last of those that count."""
    last = (cumulative < cumulative[:, -1:]).sum(dim=-1, keepdim=True)
    return torch.searchsorted(cumulative, wanted, right=True).minimum(last)
