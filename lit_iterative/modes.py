"""Modes in which a network is for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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
