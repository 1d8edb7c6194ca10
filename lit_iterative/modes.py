"""Modes in which a network is for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lit_iterative.errors import SetupError


@contextmanager
def evaluating(network: Any) -> Iterator[None]:
    """Put a network into evaluation mode; each of its modules is in the mode of before afterwards."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def of_the_batch(network: nn.Module) -> Iterator[None]:
    """Let batch norm take the statistics of each batch for a while; those it keeps stay as they are.

    Raises:
        SetupError: If the network has no such layer.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    if not layers:
        raise SetupError(
            f"BatchStatistics needs batch norm, but {type(network).__name__} has none. Use another actor, such as "
            "Policy()."
        )
    before = [(layer, layer.training, layer.track_running_stats) for layer in layers]
    try:
        for layer in layers:
            layer.training, layer.track_running_stats = True, False
        yield
    finally:
        for layer, training, tracks in before:
            layer.training, layer.track_running_stats = training, tracks


@contextmanager
def caching(network: Any) -> Iterator[None]:
    """Switch gradient checkpointing off: in training mode, transformers drops the cache where it is on."""
    layers = [module for module in _modules(network) if getattr(module, "gradient_checkpointing", False)]
    for layer in layers:
        layer.gradient_checkpointing = False
    try:
        yield
    finally:
        for layer in layers:
            layer.gradient_checkpointing = True


def _modules(network: Any) -> Iterator[Any]:
    """Return the modules of a network; none of what is only called like one."""
    return network.modules() if hasattr(network, "modules") else iter(())
