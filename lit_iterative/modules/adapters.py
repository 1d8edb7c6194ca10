"""Adapters: LoRA on a network, merged into it, or begun anew."""

import copy
from typing import Any

from torch import nn

from lit_iterative.errors import SetupError
from lit_iterative.modules.backbone import LoRA

NAME = "default"


def added(network: Any, lora: LoRA, quantised: bool, gradient_checkpointing: bool) -> Any:
    """Return the network with an adapter; only that is trained."""
    from peft import get_peft_model, prepare_model_for_kbit_training

    if quantised:
        network = prepare_model_for_kbit_training(network, use_gradient_checkpointing=gradient_checkpointing)
    elif gradient_checkpointing:
        network.enable_input_require_grads()
    return get_peft_model(network, lora.config())


def checked(network: Any, what: str) -> Any:
    """Return the network if it has an adapter.

    Raises:
        SetupError: If it has none.
    """
    if not hasattr(network, "disable_adapter"):
        raise SetupError(f"{what} needs a policy with an adapter, but this one has none. Give LanguagePolicy a lora.")
    return network


def merge(network: Any) -> None:
    """Add the adapter to the base, and begin a new one in its place; parameters stay the same objects.

    Raises:
        SetupError: If there is no adapter, or the base is quantised.
    """
    for layer in _layers(checked(network, "MergeAdapter()")):
        base = layer.get_base_layer().weight
        if not base.is_floating_point():
            raise SetupError(
                "MergeAdapter() cannot add an adapter to quantised weights without rounding them again. Use "
                "Continue() or NewAdapter(), or load the base without quantisation."
            )
        base.data += layer.get_delta_weight(NAME).to(base.dtype)
        layer.reset_lora_parameters(NAME, init_lora_weights=True)


def renew(network: Any) -> None:
    """Begin the adapter anew on the same base; parameters stay the same objects.

    Raises:
        SetupError: If there is no adapter.
    """
    for layer in _layers(checked(network, "NewAdapter()")):
        layer.reset_lora_parameters(NAME, init_lora_weights=True)


def _layers(network: nn.Module) -> list[Any]:
    from peft.tuners.lora import LoraLayer

    return [layer for layer in network.modules() if isinstance(layer, LoraLayer)]


def exportable(network: Any, quantised: bool) -> Any:
    """Return what is to be saved: a copy with its adapter merged, or the adapter where the base is quantised."""
    if not hasattr(network, "merge_and_unload") or quantised:
        return network
    return copy.deepcopy(network).merge_and_unload()
