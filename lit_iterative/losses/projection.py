"""Projection: log-probabilities of tokens from hidden states, without ever holding the logits of all of them.

Logits exist for a chunk of rows at a time, and are gone when its log-probabilities and their derivative by the hidden
states are known. Where the last layer is trained, the derivatives by its outputs are kept if they are few; else the
logits are computed again in the backward pass.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

#: Logits that are held at a time: 64 MiB of them in float32.
CHUNK = 2**24
#: Derivatives by the outputs of a trained layer that are kept for the backward pass: 256 MiB of them in float32.
KEPT = 2**26

Measure = Callable[[Tensor], tuple[Tensor, ...]]


class Finish(NamedTuple):
    """What a network does to the outputs ``z`` of its last layer: ``cap * tanh(scale * z / cap)``.

    Args:
        scale: What they are multiplied by.
        cap: What they are kept below (Gemma Team, 2024, arXiv:2408.00118, section 2); nothing when left out.
    """

    scale: float = 1.0
    cap: float | None = None

    def __call__(self, outputs: Tensor) -> Tensor:
        """Return the logits, in the place of the outputs."""
        logits = outputs if self.scale == 1 else outputs.mul_(self.scale)
        return logits if self.cap is None else logits.div_(self.cap).tanh_().mul_(self.cap)

    def slope(self, logits: Tensor) -> Tensor | float:
        """Return the derivative of logits by outputs: ``scale * (1 - (logits / cap) ** 2)``."""
        return self.scale if self.cap is None else (logits / self.cap).square_().neg_().add_(1).mul_(self.scale)


def token_log_probs(
    hidden: Tensor,
    layer: nn.Linear,
    tokens: Tensor,
    finish: Finish = Finish(),  # noqa: B008  # frozen
    measure: Measure | None = None,
    chunk: int = CHUNK,
    kept: int = KEPT,
) -> tuple[Tensor, ...]:
    """Return ``log softmax(finish(W h + b))`` at one token for every hidden state.

    Products are taken in the type of the weights, or in that of autocast; all else happens in float32, or in float64
    where the weights are.

    Args:
        hidden: What the last layer is given, ``(rows, width)``.
        layer: The last layer, with an output for every token of the vocabulary.
        tokens: ``(rows,)``.
        finish: What happens to the layer's outputs.
        measure: Returns what else is wanted, ``(rows,)`` each, of log-probabilities ``(rows, vocabulary)``; that has
            no gradient.
        chunk: Logits that are held at a time.
        kept: Derivatives by the outputs of a layer that is trained that are kept at most, to save time.

    Returns:
        Log-probabilities ``(rows,)``, and what was measured.

    Example:
        >>> layer = nn.Linear(2, 4)
        >>> _ = nn.init.zeros_(layer.weight), nn.init.zeros_(layer.bias)
        >>> token_log_probs(torch.ones(1, 2), layer, torch.tensor([3]))[0].detach().exp()
        tensor([0.2500])
    """
    values: tuple[Tensor, ...] = _TokenLogProbs.apply(  # type: ignore[no-untyped-call]
        hidden, layer.weight, layer.bias, tokens, finish, measure, chunk, kept
    )
    return values


class _TokenLogProbs(torch.autograd.Function):
    """The derivative of ``-log softmax(z)[token]`` by ``z[v]`` is ``softmax(z)[v] - [v = token]``."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        tokens: Tensor,
        finish: Finish,
        measure: Measure | None,
        chunk: int,
        kept: int,
    ) -> tuple[Tensor, ...]:
        of_hidden, of_weight, of_bias, *_ = ctx.needs_input_grad
        kind = product_type(weight)
        head = Head(weight.to(kind), None if bias is None else bias.to(kind), finish)
        trained = of_weight or of_bias
        keeps = trained and len(hidden) * len(weight) <= kept
        slopes = weight.new_empty(len(hidden), len(weight), dtype=kind) if keeps else None
        parts = [
            head.scored(
                hidden[part].to(kind), tokens[part], measure, of_hidden, None if slopes is None else slopes[part]
            )
            for part in _slices(len(hidden), len(hidden) if keeps and holds_logits(kind) else chunk // len(weight))
        ]
        totals, *values = (torch.cat(column) for column in zip(*parts, strict=True))
        by_hidden = values.pop() if of_hidden else None
        ctx.save_for_backward(by_hidden, slopes, *((hidden, weight, bias, tokens, totals) if trained else ()))
        ctx.finish, ctx.kind, ctx.chunk, ctx.hidden_type = finish, kind, chunk, hidden.dtype
        ctx.mark_non_differentiable(*values[1:])
        return tuple(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        by_hidden, slopes, *known = ctx.saved_tensors
        of_hidden = None if by_hidden is None else (by_hidden * -upstream[:, None]).to(ctx.hidden_type)
        of_weight, of_bias = None, None
        if slopes is not None:
            of_weight, of_bias = _by_slopes(slopes, upstream, known[0].to(ctx.kind), known[1], known[2])
        elif known:
            of_weight, of_bias = _by_weights(ctx, upstream, *known)
        return of_hidden, of_weight, of_bias, None, None, None, None, None


class Head(NamedTuple):
    """The last layer, or the part of it for some of the vocabulary, in the type of products."""

    weight: Tensor
    bias: Tensor | None
    finish: Finish

    def logits(self, hidden: Tensor, place: Tensor | None = None) -> Tensor:
        """Return logits in float32 or float64, ``(rows, vocabulary)``, in a place where there is one."""
        outputs = linear(hidden, self.weight, self.bias) if place is None else self._put(hidden, place)
        return self.finish(outputs.to(torch.promote_types(outputs.dtype, torch.float32)))

    def _put(self, hidden: Tensor, place: Tensor) -> Tensor:
        torch.mm(hidden, self.weight.T, out=place)
        return place if self.bias is None else place.add_(self.bias)

    def slopes(self, chances: Tensor, slope: Tensor | float, tokens: Tensor) -> Tensor:
        """Return the derivatives of ``-log chances[token]`` by the layer's outputs, in the place of the chances."""
        inside = (tokens >= 0) & (tokens < chances.shape[1])
        places = tokens.clamp(0, chances.shape[1] - 1)[:, None]
        chances.scatter_add_(1, places, -inside[:, None].to(chances.dtype))
        return chances if isinstance(slope, float) and slope == 1 else chances.mul_(slope)

    def scored(
        self, hidden: Tensor, tokens: Tensor, measure: Measure | None, by_hidden: bool, kept: Tensor | None
    ) -> tuple[Tensor, ...]:
        """Return log-sum-exps, log-probabilities, what is measured, and ``slopes`` by hidden states if wanted.

        Slopes by the layer's outputs are put where they are to be kept.
        """
        fits = kept is not None and holds_logits(kept.dtype)
        logits = self.logits(hidden, kept if fits else None)
        own = logits.gather(-1, tokens[:, None]).squeeze(-1)
        measured = () if measure is None else measure(logits.log_softmax(dim=-1))
        slope = self.finish.slope(logits) if by_hidden or kept is not None else 1.0
        chances, totals = softmax_(logits)
        values = [totals, own - totals, *measured]
        if by_hidden or kept is not None:
            slopes = self.slopes(chances, slope, tokens).to(hidden.dtype)
            if kept is not None and not fits:
                kept.copy_(slopes)
            if by_hidden:
                values.append(slopes @ self.weight)
        return tuple(values)


def softmax_(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Turn logits into chances, in their place; return these and the log-sum-exps."""
    highest = logits.amax(dim=-1, keepdim=True)
    sums = logits.sub_(highest).exp_().sum(dim=-1, keepdim=True)
    return logits.div_(sums), (highest + sums.log()).squeeze(-1)


def holds_logits(kind: torch.dtype) -> bool:
    """Tell whether logits can be put where values of a type are kept: they are of full precision."""
    return kind in (torch.float32, torch.float64)


def _by_slopes(
    slopes: Tensor, upstream: Tensor, states: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Return derivatives by weight and bias from those by the layer's outputs."""
    scaled = -upstream.to(slopes.dtype)[:, None]
    of_bias = None if bias is None else (slopes * scaled).sum(dim=0).to(bias.dtype)
    return (slopes.T @ (states * scaled)).to(weight.dtype), of_bias


def _by_weights(
    ctx: Any, upstream: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None, tokens: Tensor, totals: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Return derivatives by weight and bias; every slice of the vocabulary has its own part of them."""
    states = hidden.to(ctx.kind)
    of_weight, of_bias = torch.empty_like(weight), None if bias is None else torch.empty_like(bias)
    for part in _slices(len(weight), ctx.chunk // max(1, len(hidden))):
        head = Head(weight[part].to(ctx.kind), None if bias is None else bias[part].to(ctx.kind), ctx.finish)
        logits = head.logits(states)
        slope = head.finish.slope(logits)
        chances = logits.sub_(totals[:, None]).exp_()
        slopes = head.slopes(chances, slope, tokens - part.start).mul_(-upstream[:, None])
        of_weight[part] = slopes.to(ctx.kind).T @ states
        if of_bias is not None:
            of_bias[part] = slopes.sum(dim=0)
    return of_weight, of_bias


def _slices(count: int, step: int) -> Iterator[slice]:
    """Cut a range into steps; of nothing there is one slice."""
    step = max(1, step)
    return (slice(start, start + step) for start in range(0, max(1, count), step))


def product_type(weight: Tensor) -> torch.dtype:
    """Return the type in which products with a weight are taken: its own, or that of autocast, which spares float64."""
    device = weight.device.type
    if weight.dtype == torch.float64 or not torch.is_autocast_enabled(device):
        return weight.dtype
    return torch.get_autocast_dtype(device)
