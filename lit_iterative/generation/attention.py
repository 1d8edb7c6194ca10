"""Attention in two parts: over a prompt that branches share, kept once, and over the tokens of each branch itself.

Both parts are joined by their log-sum-exp, which is exact. transformers calls :func:`attend` in place of its own
attention while a pass is under way (its documented ``AttentionInterface``).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from lit_iterative import _compat
from lit_iterative.modes import caching

#: What is added to scores that do not count: finite, so that a part without any counts for nothing, and gives no NaN.
HIDDEN = -1e30
NAME = "lit_iterative"
#: Arguments of attention that change its result in ways that are unknown here.
UNKNOWN = ("s_aux", "head_mask", "position_bias", "alibi", "block_mask")


class Unsupported(Exception):  # not the user's error: another engine takes over
    """The model attends in a way that cannot be replaced."""


@dataclass(frozen=True)
class Scale:
    """How a layer scores.

    Args:
        factor: Multiplies the products of queries and keys.
        window: Tokens that a query sees at most, itself included; all when none.
        cap: Scores stay between this and its negative, by a hyperbolic tangent; uncapped when none.
    """

    factor: float
    window: int | None = None
    cap: float | None = None


class Pass(Protocol):
    """A forward pass of the model, as its attention layers see it."""

    def attend(self, layer: int, query: Tensor, keys: Tensor, values: Tensor, scale: Scale) -> Tensor:
        """Return what the queries see, ``(rows, heads, length, size)``; keys and values are what the cache returned."""


_PASS: ContextVar[Pass] = ContextVar("pass")


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attend as the pass under way does; transformers' interface of attention functions."""
    unknown = [name for name in UNKNOWN if others.get(name) is not None]
    if unknown or attention_mask is not None:
        raise Unsupported(f"its attention takes {', '.join(unknown) or 'a mask of its own'}")
    factor = query.shape[-1] ** -0.5 if scaling is None else float(scaling)
    seen = _PASS.get().attend(module.layer_idx, query, key, value, Scale(factor, sliding_window, softcap))
    return seen.transpose(1, 2), None


@contextmanager
def replaced(model: Any, name: str = NAME, function: Callable[..., tuple[Tensor, None]] = attend) -> Iterator[None]:
    """Let a model attend by another function for a while, :func:`attend` if none is given.

    Raises:
        Unsupported: If transformers or the model has no way to.
    """
    try:
        from transformers import AttentionInterface
    except ImportError as error:
        raise Unsupported("this version of transformers has no AttentionInterface") from error
    AttentionInterface.register(name, function)
    if not hasattr(model, "set_attn_implementation"):
        raise Unsupported("its attention cannot be set")
    before = _compat.attention_of(model)
    model.set_attn_implementation(name)
    try:
        if _compat.attention_of(model) != name:
            raise Unsupported("its attention cannot be set")
        with caching(model):
            yield
    finally:
        model.set_attn_implementation(before)


@contextmanager
def passing(current: Pass) -> Iterator[None]:
    """Make a pass the one that is under way."""
    token = _PASS.set(current)
    try:
        yield
    finally:
        _PASS.reset(token)


@dataclass(frozen=True)
class Part:
    """What queries see in a part of the keys, before it is divided by the sum of its weights.

    Args:
        values: The weighted sum of values, ``(rows, heads, queries, size)``.
        peak: The highest score of each query, ``(rows, heads, queries, 1)``.
        total: The sum of weights, which are ``exp(score - peak)``, of the same shape.
    """

    values: Tensor
    peak: Tensor
    total: Tensor

    def joined(self, other: "Part") -> Tensor:
        """Return what is seen in both parts together."""
        peak = torch.maximum(self.peak, other.peak)
        mine, others = (self.peak - peak).exp_(), (other.peak - peak).exp_()
        values = _precise(self.values) * mine + _precise(other.values) * others
        return (values / (self.total * mine + other.total * others)).to(self.values.dtype)

    def alone(self) -> Tensor:
        """Return what is seen in this part."""
        return (_precise(self.values) / self.total).to(self.values.dtype)


def part(query: Tensor, keys: Tensor, values: Tensor, scale: Scale, mask: Tensor | None) -> Part:
    """Attend to a part of the keys.

    Args:
        query: ``(rows, heads, queries, size)``.
        keys: ``(rows, heads, length, size)``.
        values: Of the same shape.
        scale: How to score.
        mask: Added to the scores, broadcast to ``(rows, heads, queries, length)``.
    """
    scores = _precise(torch.matmul(query * scale.factor, keys.transpose(-1, -2)))
    if scale.cap is not None:
        scores = scores.div_(scale.cap).tanh_().mul_(scale.cap)
    if mask is not None:
        scores += mask
    peak = scores.amax(dim=-1, keepdim=True)
    weights = scores.sub_(peak).exp_()
    return Part(torch.matmul(weights.to(values.dtype), values), peak, weights.sum(dim=-1, keepdim=True))


def hidden(visible: Tensor) -> Tensor:
    """Return what is added to scores, where a truth value says which ones count."""
    return torch.zeros(visible.shape, device=visible.device).masked_fill_(~visible, HIDDEN)


def _precise(values: Tensor) -> Tensor:
    """Return values in float32, or in float64 where they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
