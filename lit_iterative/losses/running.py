"""Running softmax: of rows of which one slice of the vocabulary after the other is known."""

import torch
from torch import Tensor

from lit_iterative.losses.head import Head


class Running:
    """Adds up log-sum-exps of logits, and what they pull the hidden states to, with the largest logit taken out.

    Source: Milakov and Gimelshein, 2018, arXiv:1805.02867, algorithm 3; the weighted sum beside it as in Dao et al.,
    2022, arXiv:2205.14135, algorithm 1.

    Args:
        head: The whole layer.
        hidden: What it is given, ``(rows, width)``.
        tokens: Whose log-probabilities are wanted, ``(rows,)``.
        by_hidden: Whether their derivatives by the hidden states are, too.
    """

    def __init__(self, head: Head, hidden: Tensor, tokens: Tensor, by_hidden: bool) -> None:
        self._head, self._hidden, self._tokens = head, hidden, tokens[:, None]
        kind = torch.promote_types(hidden.dtype, torch.float32)
        self._highest = hidden.new_full((len(hidden), 1), torch.finfo(kind).min, dtype=kind)
        self._sums, self._own = torch.zeros_like(self._highest), torch.zeros_like(self._highest)
        self._pull = torch.zeros_like(hidden, dtype=kind) if by_hidden else None

    def add(self, part: slice) -> None:
        """Add a slice of the vocabulary."""
        head = self._head.part(part)
        logits = head.logits(self._hidden)
        self._find(logits, self._tokens - part.start)
        slope = 1.0 if self._pull is None else head.finish.slope(logits)
        highest = torch.maximum(self._highest, logits.amax(dim=1, keepdim=True))
        shrink, chances = (self._highest - highest).exp_(), logits.sub_(highest).exp_()
        self._highest = highest
        self._sums.mul_(shrink).add_(chances.sum(dim=1, keepdim=True))
        if self._pull is not None:
            weighed = chances if isinstance(slope, float) and slope == 1 else chances.mul_(slope)
            self._pull.mul_(shrink).add_(weighed.to(head.weight.dtype) @ head.weight)

    def _find(self, logits: Tensor, places: Tensor) -> None:
        """Keep the logits of those tokens that are in a slice."""
        inside = (places >= 0) & (places < logits.shape[1])
        found = logits.gather(1, places.clamp(0, logits.shape[1] - 1))
        self._own = torch.where(inside, found, self._own)

    def values(self) -> list[Tensor]:
        """Return log-sum-exps, log-probabilities and, if wanted, the derivatives of ``-log_probs`` by hidden states."""
        totals = self._highest + self._sums.log()
        values = [totals.squeeze(1), (self._own - totals).squeeze(1)]
        if self._pull is not None:
            push = self._head.finish.slope(self._own) * self._head.weight[self._tokens.squeeze(1)]
            values.append(self._pull.div_(self._sums).sub_(push).to(self._hidden.dtype))
        return values
