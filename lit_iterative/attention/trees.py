"""A pass over trees: trunks see themselves; branches see their trunk and themselves, and no other branch.

Three attentions without padding in what the model computes besides: in trunks, in branches, and from the branches of
a tree to its trunk. The latter two are joined by their log-sum-exps. In the backward pass each of them is given the
joint output and log-sum-exp, by which its derivatives are those of the whole (Dao, 2023, arXiv:2307.08691,
algorithm 2).
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lit_iterative import _compat
from lit_iterative.attention.interface import Scale, Unsupported
from lit_iterative.attention.parts import HIDDEN, fuses, hidden, visible
from lit_iterative.trees import Places, Trees


class TreePass:
    """A pass over the stream of a batch.

    Args:
        trees: The stream.
    """

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        self._known: dict[int | None, list[Corner]] = {}

    def attend(self, layer: int, query: Tensor, keys: Tensor, values: Tensor, scale: Scale) -> Tensor:
        """Return what the tokens of the stream see, ``(1, heads, tokens, size)``."""
        if not fuses(values, scale):
            raise Unsupported("its attention has a cap, or a type or device that attention over trees does not know")
        if scale.window not in self._known:
            self._known[scale.window] = list(corners(self._trees, scale.window, values.dtype))
        streams = (part[0].transpose(0, 1).to(values.dtype) for part in (query, keys, values))
        seen: Tensor = _TreeAttention.apply(*streams, self._known[scale.window], scale.factor)  # type: ignore[no-untyped-call]
        return seen.transpose(0, 1)[None]


class Corner(NamedTuple):
    """A part of the attention of a stream to itself: some of its queries attend to some of its keys.

    Args:
        queries: Their places, a row each.
        keys: Their places, in as many rows.
        causal: Whether a query sees the keys up to its own place in the row.
        mask: What is added to scores, if anything.
    """

    queries: Places
    keys: Places
    causal: bool
    mask: Tensor | None

    def forward(self, query: Tensor, keys: Tensor, values: Tensor, factor: float) -> tuple[Tensor, Tensor]:
        """Return what the queries see, ``(rows, queries, heads, size)``, and log-sum-exps without the last."""
        inputs = self._inputs(query, keys, values)
        seen, total = _compat.flash_attention(*inputs, self.mask, self.causal, factor)
        return seen.transpose(1, 2), total.transpose(1, 2)

    def backward(
        self, upstream: Tensor, inputs: tuple[Tensor, Tensor, Tensor], seen: Tensor, total: Tensor, factor: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the derivatives by query, keys and values, in rows."""
        of_outputs, outputs = self.queries.gather(upstream), self.queries.gather(seen)
        totals = self.queries.gather(total, behind=-HIDDEN)  # where there is no query, all weights are 0
        found = _compat.flash_attention_backward(
            of_outputs.transpose(1, 2),
            self._inputs(*inputs),
            (outputs.transpose(1, 2), totals.transpose(1, 2)),
            self.mask,
            self.causal,
            factor,
        )
        of_query, of_keys, of_values = (part.transpose(1, 2) for part in found)
        heads = inputs[1].shape[1]
        return of_query, _summed(of_keys, heads), _summed(of_values, heads)

    def _inputs(self, query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return rows, with keys and values of heads that queries share repeated."""
        shared = query.shape[1] // keys.shape[1]
        rows = [self.queries.gather(query), self.keys.gather(keys), self.keys.gather(values)]
        if shared > 1:
            rows[1:] = (part.repeat_interleave(shared, dim=2) for part in rows[1:])
        first, second, third = (part.transpose(1, 2) for part in rows)
        return first, second, third


def _summed(rows: Tensor, heads: int) -> Tensor:
    """Add up what belongs to heads that queries share."""
    count, length, repeated, size = rows.shape
    return rows if repeated == heads else rows.reshape(count, length, heads, -1, size).sum(dim=3)


def corners(trees: Trees, window: int | None, kind: torch.dtype) -> "tuple[Corner, ...]":
    """Return the parts of attention: in branches, and, where there are trunks, in them and from crowns to them."""
    branches = _to_themselves(trees.branches, window, kind)
    if not trees.trunks.longest:
        return (branches,)
    return branches, _to_themselves(trees.trunks, window, kind), _to_trunks(trees, window, kind)


def _to_themselves(places: Places, window: int | None, kind: torch.dtype) -> Corner:
    length = places.longest
    if window is None or window >= length:
        return Corner(places, places, True, None)
    steps = torch.arange(length, device=places.index.device)
    return Corner(places, places, False, hidden(visible(steps[:, None], steps, window)).to(kind)[None, None])


def _to_trunks(trees: Trees, window: int | None, kind: torch.dtype) -> Corner:
    mask = None
    if not trees.trunks.whole or window is not None:
        seen = trees.trunks.inside[:, None]
        if window is not None:
            positions = trees.crowns.gather(trees.position_ids[0])
            seen = seen & visible(positions[..., None], torch.arange(trees.trunks.longest, device=seen.device), window)
        mask = hidden(seen).to(kind)[:, None]
    return Corner(trees.crowns, trees.trunks, False, mask)


class _TreeAttention(torch.autograd.Function):
    """Attention of a stream ``(tokens, heads, size)`` to itself."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, keys: Tensor, values: Tensor, parts: list[Corner], factor: float) -> Tensor:
        seen, total = torch.empty_like(query), query.new_empty(query.shape[:2], dtype=_precise(query.dtype))
        found = [part.forward(query, keys, values, factor) for part in parts]
        for part, (outputs, totals) in zip(parts[:2], found, strict=False):
            part.queries.scatter(outputs, seen)
            part.queries.scatter(totals, total)
        if len(parts) > 2:
            _join(parts[2].queries, *found[2], seen, total)
        ctx.save_for_backward(query, keys, values, seen, total)
        ctx.parts, ctx.factor = parts, factor
        return seen

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        query, keys, values, seen, total = ctx.saved_tensors
        found = [part.backward(upstream, (query, keys, values), seen, total, ctx.factor) for part in ctx.parts]
        of_query, of_keys, of_values = (torch.empty_like(part) for part in (query, keys, values))
        if len(found) > 2:  # trunks are attended to twice
            found[1] = (found[1][0], found[1][1] + found[2][1], found[1][2] + found[2][2])
        for part, (queries, *others) in zip(ctx.parts[:2], found, strict=False):
            part.queries.scatter(queries, of_query)
            for rows, stream in zip(others, (of_keys, of_values), strict=True):
                part.keys.scatter(rows, stream)
        if len(found) > 2:
            crowns = torch.zeros_like(query)
            ctx.parts[2].queries.scatter(found[2][0], crowns)
            of_query += crowns
        return of_query, of_keys, of_values, None, None


def _join(places: Places, outputs: Tensor, totals: Tensor, seen: Tensor, total: Tensor) -> None:
    """Add what branches see in their trunks to what they see in themselves, in the place of the latter."""
    own, own_total = places.gather(seen), places.gather(total)
    share = torch.sigmoid(totals - own_total)[..., None]
    places.scatter(torch.lerp(own.to(share.dtype), outputs.to(share.dtype), share).to(seen.dtype), seen)
    places.scatter(torch.logaddexp(own_total, totals), total)


def _precise(kind: torch.dtype) -> torch.dtype:
    return torch.promote_types(kind, torch.float32)
