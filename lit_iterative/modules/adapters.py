"""Adapters: LoRA on a network, merged into it, or begun anew."""

import copy
from collections import Counter
from typing import Any

import torch
from torch import nn

from lit_iterative.errors import SetupError
from lit_iterative.modules.backbone import LoRA
from lit_iterative.modules.memory import Saving

NAME = "default"
#: Checkpoints of activations as torch recommends them; the other kind needs inputs that have gradients.
CHECKPOINTING = {"use_reentrant": False}


def prepared(network: Any, lora: LoRA | None, saving: Saving) -> Any:
    """Return the network as it is trained: with an adapter, which alone is then, and computing activations again.

    Args:
        network: A transformers causal LM.
        lora: The adapter; all weights are trained when none.
        saving: What saves memory.
    """
    if saving.checkpointing:
        network.gradient_checkpointing_enable(gradient_checkpointing_kwargs=CHECKPOINTING)
    if lora is None:
        return network
    from peft import get_peft_model, prepare_model_for_kbit_training

    if saving.quantised:
        network = prepare_model_for_kbit_training(network, saving.checkpointing, CHECKPOINTING)
    return get_peft_model(network, lora.config())


def checked(network: Any, what: str) -> Any:
    """Return the network if it has an adapter.

    Raises:
        SetupError: If it has none.
    """
    if not hasattr(network, "disable_adapter"):
        raise SetupError(f"{what} needs a policy with an adapter, but this one has none. Give LanguagePolicy a lora.")
    return network


def check_mergeable(network: Any, quantised: bool, saves_base: bool) -> None:
    """Check that the adapter can be added to the base.

    Args:
        network: With an adapter.
        quantised: Whether the base is held in few bits.
        saves_base: Whether checkpoints hold the base.

    Raises:
        SetupError: If the base is quantised or not saved, or a part of it with an adapter is used twice.
    """
    if quantised:
        raise SetupError(
            "MergeAdapter() cannot add an adapter to quantised weights without rounding them again. Use Continue() or "
            "NewAdapter(), or load the base without quantisation."
        )
    if not saves_base:
        raise SetupError(
            "MergeAdapter() changes the base, which save='trained' leaves out of checkpoints. Set save: all, or use "
            "Continue() or NewAdapter()."
        )
    owners = Counter(id(weight) for module in network.modules() for weight in module.parameters(recurse=False))
    for layer in _layers(network):
        if owners[id(layer.get_base_layer().weight)] > 1:
            raise SetupError(
                f"MergeAdapter() cannot add an adapter to {type(layer.get_base_layer()).__name__} weights that two "
                "layers share, such as embeddings that are the output layer as well: both would change. Leave these "
                "out of LoRA(targets=...), or use Continue() or NewAdapter()."
            )


@torch.no_grad()
def merge(network: Any) -> None:
    """Add the adapter to the base, and begin a new one in its place; parameters stay the same objects."""
    for layer in _layers(network):
        base = layer.get_base_layer().weight
        base += layer.get_delta_weight(NAME).to(base.dtype)
    renew(network)


@torch.no_grad()
def renew(network: Any) -> None:
    """Begin the adapter anew on the same base; parameters stay the same objects."""
    for layer in _layers(network):
        layer.reset_lora_parameters(NAME, init_lora_weights=True)


def _layers(network: nn.Module) -> list[Any]:
    from peft.tuners.lora import LoraLayer

    return [layer for layer in network.modules() if isinstance(layer, LoraLayer)]


def exportable(network: Any, quantised: bool) -> Any:
    """Return what is to be saved: a copy with its adapter merged, or the adapter where the base is quantised."""
    if not hasattr(network, "merge_and_unload") or quantised:
        return network
    return copy.deepcopy(network).merge_and_unload()
