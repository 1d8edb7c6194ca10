"""Attention in parts: over a prompt that branches share, kept once, and over the tokens of each branch itself.

The parts are joined by their log-sum-exps, which is exact.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lit_iterative import _compat
from lit_iterative.attention.interface import Scale

#: What is added to scores that do not count: finite, so that a part without any counts for nothing, and gives no NaN.
HIDDEN = -1e30
#: The types that torch's fused attention on a CPU takes, and in which there is such a number.
FUSED = (torch.float32, torch.float64, torch.bfloat16)


@dataclass(frozen=True)
class Part:
    """What queries see in a part of the keys.

    Args:
        values: The mean of values by their weights, ``(rows, heads, queries, size)``.
        total: The log-sum-exp of the scores, ``(rows, heads, queries, 1)``.
    """

    values: Tensor
    total: Tensor

    def joined(self, other: "Part") -> Tensor:
        """Return what is seen in both parts together."""
        share = torch.sigmoid(other.total - self.total)
        return torch.lerp(_precise(self.values), _precise(other.values), share).to(self.values.dtype)


def part(query: Tensor, keys: Tensor, values: Tensor, scale: Scale, mask: Tensor | None) -> Part:
    """Attend to a part of the keys.

    Args:
        query: ``(rows, heads, queries, size)``.
        keys: ``(rows, heads, length, size)``.
        values: Of the same shape.
        scale: How to score.
        mask: Added to the scores, broadcast to ``(rows, heads, queries, length)``.
    """
    if query.shape[2] > 1 and fuses(query, scale):  # of one query each, two products are quicker
        mask = None if mask is None else mask.to(values.dtype)
        query, keys = query.to(values.dtype), keys.to(values.dtype)  # under autocast, rotation makes them float32
        seen, total = _compat.flash_attention(query, keys, values, mask, False, scale.factor)
        return Part(seen, total[..., None])
    scores = _precise(torch.matmul(query * scale.factor, keys.transpose(-1, -2)))
    if scale.cap is not None:
        scores = scores.div_(scale.cap).tanh_().mul_(scale.cap)
    if mask is not None:
        scores += mask
    peak = scores.amax(dim=-1, keepdim=True)
    weights = scores.sub_(peak).exp_()
    total = weights.sum(dim=-1, keepdim=True)
    seen = torch.matmul(weights.to(values.dtype), values)
    return Part((_precise(seen) / total).to(values.dtype), total.log() + peak)


def fuses(query: Tensor, scale: Scale) -> bool:
    """Tell whether torch's fused attention on a CPU can be used: it knows no cap."""
    return query.is_cpu and scale.cap is None and query.dtype in FUSED and _compat.has_flash_attention()


def hidden(visible: Tensor) -> Tensor:
    """Return what is added to scores, where a truth value says which ones count."""
    return torch.zeros(visible.shape, device=visible.device).masked_fill_(~visible, HIDDEN)


def visible(queries: Tensor, keys: Tensor, window: int | None) -> Tensor:
    """Tell which keys a query sees, by their positions."""
    before = keys <= queries
    return before if window is None else before & (keys > queries - window)


def _precise(values: Tensor) -> Tensor:
    """Return values in float32, or in float64 where they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
