"""A probe that tells whether a model's attention can be replaced: it is tried on a few tokens, not looked up."""

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from lit_iterative.attention.interface import Unsupported, replaced
from lit_iterative.attention.masks import untold
from lit_iterative.errors import misfit
from lit_iterative.generation.branches import BranchCache, Growth, Prefill
from lit_iterative.modes import evaluating

#: Tokens of the two prompts, of which the first has two branches, and of every branch.
PROMPTS, BRANCH = (6, 3), 3
#: Differences between the logits of a token that rounding may cause, as a share of their standard deviation: of 28
#: random layers in bfloat16 it was seen to cause 0.03, and wrong positions to cause 0.15 or more.
TOLERANCE = {torch.float64: 1e-3, torch.float32: 1e-3}
ROUGH = 0.1

NO_NUMBERS = "its logits are no numbers"

_KNOWN: WeakKeyDictionary[nn.Module, str | None] = WeakKeyDictionary()


def obstacle(model: nn.Module) -> str | None:
    """Return why a model's attention cannot be replaced; none if it can. The answer is remembered.

    A model whose logits are no numbers now gives no answer; the sampler says what is wrong with it.
    """
    if model not in _KNOWN:
        reason = misfit(lambda: _tried(model))
        if reason == NO_NUMBERS:
            return None
        _KNOWN[model] = reason
    return _KNOWN[model]


@torch.no_grad()
def _tried(model: Any) -> str | None:
    vocabulary = model.config.get_text_config().vocab_size
    branches = (torch.arange(3 * BRANCH, device=model.device).view(3, BRANCH) * 7 + 3) % vocabulary
    first, second = ((torch.arange(tokens, device=model.device) * 5 + tokens) % vocabulary for tokens in PROMPTS)
    with evaluating(model):
        expected = _plain(model, first, second, branches)
        try:
            if lengths := untold(model, first[None]):
                return f"its masks alone hide what is more than {lengths} tokens away"
            with replaced(model):
                found = _branching(model, first, second, branches)
        except Unsupported as error:
            return str(error)
    of_tokens = (found - expected).float().square().mean(dim=-1).sqrt()
    if not expected.isfinite().all():
        return NO_NUMBERS
    difference, deviation = float(of_tokens.max()), float(expected.float().std())
    if not difference <= TOLERANCE.get(expected.dtype, ROUGH) * deviation:
        return f"its logits come out otherwise, by {difference:.2g} where their standard deviation is {deviation:.2g}"
    return None


def _plain(model: Any, first: Tensor, second: Tensor, branches: Tensor) -> Tensor:
    """Return the logits behind the tokens of all branches as the model itself computes them."""
    rows = zip((first, first, second), branches, strict=True)
    return torch.stack(
        [model(input_ids=torch.cat(row)[None], use_cache=False).logits[0, -BRANCH:].clone() for row in rows]
    )


def _branching(model: Any, first: Tensor, second: Tensor, branches: Tensor) -> Tensor:
    """Return the same, with prompts kept once, and branches that are given two tokens and then one."""
    cache = BranchCache(len(first), BRANCH)
    cache.prompts.reserve(2, len(first))
    ids = torch.stack([first, nn.functional.pad(second, (0, len(first) - len(second)))])
    positions = torch.arange(len(first), device=ids.device).expand(2, -1)
    options = {"past_key_values": cache, "use_cache": True}
    with cache.during(Prefill(torch.arange(2, device=ids.device))):
        model(input_ids=ids, position_ids=positions, logits_to_keep=1, **options)
    cache.branches.reserve(3, BRANCH)
    lengths = torch.tensor([len(first), len(second)], device=ids.device)
    slots = torch.tensor([0, 0, 1], device=ids.device)
    logits = []
    for start, tokens in ((0, BRANCH - 1), (BRANCH - 1, 1)):
        growth = Growth(cache, slots, lengths, torch.full_like(slots, start), tokens)
        with cache.during(growth):
            given = branches[:, start : start + tokens]
            logits.append(model(input_ids=given, position_ids=growth.positions, **options).logits.clone())
    return torch.cat(logits, dim=1)
