"""Sharding of a policy: the options that rule it out, and which weights are gathered together."""

from typing import Any

from torch import nn

from lit_iterative.errors import SetupError
from lit_iterative.generation.in_process import InProcess


def obstacle(policy: Any) -> str | None:
    """Return a language policy's options that need whole weights; none where there are none."""
    options = {
        "lora": policy.lora is not None,
        "save='trained'": not policy.saves_all,
        "compiler": policy.compiler is not None,
        "sampler": not isinstance(policy.sampler, InProcess),
    }
    given = [name for name, is_given in options.items() if is_given]
    return f"LanguagePolicy({', '.join(given)})" if given else None


def decoder_layers(network: Any) -> list[nn.Module]:
    """Return the layers of a network, which are called one after the other.

    Args:
        network: A transformers causal LM.

    Raises:
        SetupError: If there is no list of them.
    """
    body: nn.Module = network.base_model
    layers = [layer for part in body.children() if isinstance(part, nn.ModuleList) for layer in part]
    if not layers:
        raise SetupError(
            f"{type(body).__name__} keeps its layers in no nn.ModuleList, so that it is not known which weights to "
            "gather together. Use Trainer(strategy='ddp') or a single device."
        )
    return layers
