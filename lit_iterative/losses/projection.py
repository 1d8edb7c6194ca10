"""Projection: log-probabilities of tokens from hidden states, without ever holding the logits of all of them.

Logits exist for a slice of the vocabulary at a time, whose part of the normaliser and of the derivative by the hidden
states is added up while the largest logit so far is taken out (the running softmax of Milakov and Gimelshein, 2018,
arXiv:1805.02867, and of Dao et al., 2022, arXiv:2205.14135). Where the last layer is trained, the derivatives by its
outputs are kept if they are few; else the logits are computed again in the backward pass. Where something of the whole
distribution is measured, logits exist for a chunk of rows at a time.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lit_iterative.losses.head import Finish, Head, Measure, holds_logits, product_type
from lit_iterative.losses.running import Running

#: Logits that are held at a time: 64 MiB of them in float32.
CHUNK = 2**24
#: The same on a CPU, where they are read several times: 8 MiB, which its last cache holds.
CACHED = 2**21
#: Derivatives by the outputs of a trained layer that are kept for the backward pass: 256 MiB of them in float32.
KEPT = 2**26


def token_log_probs(
    hidden: Tensor,
    layer: nn.Linear,
    tokens: Tensor,
    finish: Finish = Finish(),  # noqa: B008  # frozen
    measure: Measure | None = None,
    chunk: int | None = None,
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
        chunk: Logits that are held at a time; as many as suit the device when left out.
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
        chunk: int | None,
        kept: int,
    ) -> tuple[Tensor, ...]:
        of_hidden, of_weight, of_bias, *_ = ctx.needs_input_grad
        kind = product_type(weight)
        ctx.slice = chunk or (CACHED if hidden.device.type == "cpu" else CHUNK)
        head = Head(weight.to(kind), None if bias is None else bias.to(kind), finish)
        trained = of_weight or of_bias
        keeps = trained and len(hidden) * len(weight) <= kept
        slopes = weight.new_empty(len(hidden), len(weight), dtype=kind) if keeps else None
        if slopes is None and measure is None:
            totals, *values = _by_vocabulary(head, hidden.to(kind), tokens, of_hidden, ctx.slice)
        else:
            totals, *values = _by_rows(head, hidden.to(kind), tokens, measure, of_hidden, slopes, chunk or CHUNK)
        by_hidden = values.pop() if of_hidden else None
        ctx.save_for_backward(by_hidden, slopes, *((hidden, weight, bias, tokens, totals) if trained else ()))
        ctx.finish, ctx.kind, ctx.hidden_type = finish, kind, hidden.dtype
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


def _by_rows(
    head: Head,
    hidden: Tensor,
    tokens: Tensor,
    measure: Measure | None,
    by_hidden: bool,
    slopes: Tensor | None,
    chunk: int,
) -> list[Tensor]:
    """Return what :meth:`Head.scored` does of all rows, a chunk of them at a time."""
    step = len(hidden) if slopes is not None and holds_logits(slopes.dtype) else chunk // len(head.weight)
    parts = [
        head.scored(hidden[part], tokens[part], measure, by_hidden, None if slopes is None else slopes[part])
        for part in _slices(len(hidden), step)
    ]
    return [torch.cat(column) for column in zip(*parts, strict=True)]


def _by_vocabulary(head: Head, hidden: Tensor, tokens: Tensor, by_hidden: bool, chunk: int) -> list[Tensor]:
    """Return what :class:`Running` adds up, a slice of the vocabulary at a time."""
    running = Running(head, hidden, tokens, by_hidden)
    for part in _slices(len(head.weight), chunk // max(1, len(hidden))):
        running.add(part)
    return running.values()


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
    whole = Head(weight.to(ctx.kind), None if bias is None else bias.to(ctx.kind), ctx.finish)
    of_weight, of_bias = torch.empty_like(weight), None if bias is None else torch.empty_like(bias)
    for part in _slices(len(weight), ctx.slice // max(1, len(hidden))):
        head = whole.part(part)
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
