"""Head: the last layer of a network, whose outputs become logits and log-probabilities."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

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


class Head(NamedTuple):
    """The last layer, or the part of it for some of the vocabulary, in the type of products."""

    weight: Tensor
    bias: Tensor | None
    finish: Finish

    def part(self, part: slice) -> "Head":
        """Return the part for a slice of the vocabulary."""
        return Head(self.weight[part], None if self.bias is None else self.bias[part], self.finish)

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


def product_type(weight: Tensor) -> torch.dtype:
    """Return the type in which products with a weight are taken: its own, or that of autocast, which spares float64."""
    device = weight.device.type
    if weight.dtype == torch.float64 or not torch.is_autocast_enabled(device):
        return weight.dtype
    return torch.get_autocast_dtype(device)
