"""A probe that tells whether a model takes trees: it is tried on a few tokens, not looked up."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from lit_iterative.attention.interface import Unsupported, passing, replaced
from lit_iterative.attention.masks import untold
from lit_iterative.attention.trees import TreePass
from lit_iterative.errors import misfit
from lit_iterative.modes import evaluating
from lit_iterative.trees import Trees, planted

#: Tokens of two prompts and of their completions, of which the first prompt has two.
PROMPTS, COMPLETIONS = (6, 6, 3), (3, 2, 4)
#: Differences that rounding may cause, as a share of the logits' standard deviation.
TOLERANCE, ROUGH = 1e-3, 0.1

_KNOWN: WeakKeyDictionary[nn.Module, str | None] = WeakKeyDictionary()


def takes_trees(model: Any) -> bool:
    """Tell whether a model can be given a stream of trees now; that it never can is told once.

    Activations that are computed again in the backward pass, when attention is no longer replaced, forbid it, as does
    another device than a CPU, for which there is no attention over trees here yet.
    """
    if not isinstance(model, nn.Module) or _computes_again(model):
        return False
    if not all(part.is_cpu for part in model.parameters()):
        return False
    if model not in _KNOWN:
        remember(model, misfit(lambda: _tried(model)))
    return _KNOWN[model] is None


def remember(model: nn.Module, reason: str | None) -> None:
    """Note why a model does not take trees, and tell: it computes the same in another way."""
    _KNOWN[model] = reason
    if reason is not None:
        rank_zero_info(f"{type(model).__name__} is given every prompt as often as it has completions: {reason}.")


@contextmanager
def growing(model: Any, trees: Trees) -> Iterator[None]:
    """Let a model attend over trees for a pass.

    Raises:
        Unsupported: If it cannot.
    """
    with replaced(model), passing(TreePass(trees)):
        yield


def _computes_again(model: nn.Module) -> bool:
    again = any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    return again and model.training and torch.is_grad_enabled()


@torch.no_grad()
def _tried(model: Any) -> str | None:
    vocabulary = model.config.get_text_config().vocab_size
    prompts, completions = ([_tokens(length, vocabulary) for length in part] for part in (PROMPTS, COMPLETIONS))
    trees = planted(prompts, completions)
    if trees is None:  # which there are
        return "there are no trees to try"
    with evaluating(model):
        expected = [_plain(model, *row) for row in zip(prompts, completions, strict=True)]
        try:
            if lengths := untold(model, torch.tensor(prompts[:1], device=model.device)):
                return f"its masks alone hide what is more than {lengths} tokens away"
            with growing(model, trees):
                found = model(input_ids=trees.input_ids, position_ids=trees.position_ids, use_cache=False).logits
        except Unsupported as error:
            return str(error)
    return _difference(found[0, -len(trees.targets) :], torch.cat(expected))


def _tokens(length: int, vocabulary: int) -> list[int]:
    return [(7 * place + length + 3) % vocabulary for place in range(length)]


def _plain(model: Any, prompt: list[int], completion: list[int]) -> Tensor:
    """Return the logits that predict a completion as the model itself computes them."""
    ids = torch.tensor([[*prompt, *completion[:-1]]], device=model.device)
    logits: Tensor = model(input_ids=ids, use_cache=False).logits
    return logits[0, -len(completion) :].clone()


def _difference(found: Tensor, expected: Tensor) -> str | None:
    of_tokens = (found - expected).float().square().mean(dim=-1).sqrt()
    difference, deviation = float(of_tokens.max()), float(expected.float().std())
    rounding = TOLERANCE if expected.dtype in (torch.float32, torch.float64) else ROUGH
    if difference <= rounding * deviation or not expected.isfinite().all():  # what is wrong then is no matter of trees
        return None
    return f"its logits come out otherwise, by {difference:.2g} where their standard deviation is {deviation:.2g}"
