"""The attention of a model is replaced for a while: transformers calls :func:`attend` in place of its own.

That is its documented ``AttentionInterface``; what :func:`attend` does, the pass that is under way says.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from lit_iterative import _compat
from lit_iterative.modes import caching

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
    if others.get("dropout"):
        unknown.append("dropout")
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
