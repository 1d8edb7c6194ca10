"""Split: a network as its body, whose outputs are hidden states, and the layer that makes logits of them.

Whether a network is no more than that is tried on a few tokens, not looked up.
"""

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from lit_iterative.errors import misfit
from lit_iterative.losses.head import Finish, Head, product_type
from lit_iterative.modes import evaluating

#: Rows and tokens of what is tried.
SHAPE = (2, 3)
#: Standard deviations of the logits that are tried, one for each of the tokens: a cap shows in large ones, a bias in
#: small ones.
SPREADS = (0.1, 1.0, 10.0, 30.0, 100.0, 300.0)
#: Differences that rounding may cause, as a share of a token's standard deviation.
TOLERANCE = {torch.float64: 1e-3, torch.float32: 1e-3}
ROUGH = 0.1

_KNOWN: WeakKeyDictionary[nn.Module, str | None] = WeakKeyDictionary()


class Split(NamedTuple):
    """A network in two.

    Args:
        body: Returns ``last_hidden_state``, ``(rows, length, width)``.
        head: Makes of them an output for every token of the vocabulary.
        finish: What happens to these outputs.
    """

    body: nn.Module
    head: nn.Linear
    finish: Finish


def split(network: Any) -> Split | None:
    """Return the body and the last layer of a network; none where its logits are made in another way.

    A last layer that is quantised, is spread over ranks or has an adapter is another way.

    Args:
        network: A transformers causal LM, with or without an adapter of PEFT.
    """
    return _parts(network) if isinstance(network, nn.Module) and obstacle(network) is None else None


def obstacle(network: nn.Module) -> str | None:
    """Return why a network cannot be split; none if it can. The answer is remembered, and a reason is told once."""
    if network not in _KNOWN:
        reason = _KNOWN[network] = misfit(lambda: _tried(network))
        if reason is not None:
            rank_zero_warn(f"{type(network).__name__} is scored with all of its logits in memory: {reason}.")
    return _KNOWN[network]


def _parts(network: Any) -> Split:
    inner = network.get_base_model() if hasattr(network, "get_base_model") else network
    config = inner.config.get_text_config()
    scale = (getattr(config, "logit_scale", None) or 1.0) / (getattr(config, "logits_scaling", None) or 1.0)
    cap = getattr(config, "final_logit_softcapping", None)
    return Split(inner.base_model, inner.get_output_embeddings(), Finish(scale, cap))


@torch.no_grad()
def _tried(network: Any) -> str | None:
    parts = _parts(network)
    # what inherits from it, or stands in for it, has an adapter or keeps its weights in few bits
    if type(parts.head) is not nn.Linear:
        return f"its last layer is a {type(parts.head).__module__}.{type(parts.head).__name__}"
    with evaluating(network), _no_memory(parts.head.weight.device.type):
        return _compared(network, parts)


def _compared(network: Any, parts: Split) -> str | None:
    """Compare what enters the last layer with the body's outputs, and logits with what is made of the layer's inputs.

    The layer is given inputs of our own, for which its outputs are small and large.
    """
    head, entered = parts.head, []
    inputs = _inputs(head)
    given = _wide(head)

    def exchange(layer: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor]:
        entered.append(arguments[0])
        return (given.to(arguments[0].dtype),)

    with head.register_forward_pre_hook(exchange):
        logits = network(**inputs).logits
    if len(entered) != 1:
        return f"its last layer is called {len(entered)} times"
    ours = Head(head.weight, head.bias, parts.finish).logits(given)
    hidden = parts.body(**inputs).last_hidden_state
    for what, found, expected in (("hidden states", hidden, entered[0]), ("logits", ours, logits)):
        difference = float(((found - expected).abs().amax(dim=-1) / expected.std(dim=-1)).max())
        if not difference < TOLERANCE.get(product_type(head.weight), ROUGH):
            return f"its {what} come out otherwise, by {difference:.2g} of their standard deviation"
    return None


def _inputs(head: nn.Linear) -> dict[str, Any]:
    ids = torch.arange(len(SPREADS), device=head.weight.device).view(SHAPE)
    return {
        "input_ids": (ids * 7 + 3) % len(head.weight),
        "attention_mask": torch.ones_like(ids),
        "position_ids": torch.arange(SHAPE[1], device=ids.device).expand(SHAPE),
        "use_cache": False,
    }


def _wide(head: nn.Linear) -> Tensor:
    """Return inputs of the last layer for which the spread of its outputs is as listed."""
    drawn = torch.randn(len(SPREADS), head.in_features, generator=torch.Generator().manual_seed(0)).to(head.weight)
    outputs = nn.functional.linear(drawn, head.weight)
    wanted = torch.tensor(SPREADS, dtype=outputs.dtype, device=outputs.device)
    return (drawn * (wanted / outputs.std(dim=-1))[:, None]).view(*SHAPE, -1)


def _no_memory(device: str) -> torch.autocast:
    """Return autocast as it is, but that it remembers no weights: without gradients, they would lack them later."""
    kind, enabled = torch.get_autocast_dtype(device), torch.is_autocast_enabled(device)
    return torch.autocast(device, kind, enabled, cache_enabled=False)
