"""Products of linear layers while no gradient is wanted: of few rows, oneDNN takes less time than PyTorch's choice."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from lit_iterative import _compat


@contextmanager
def quick_products(network: Any) -> Iterator[None]:
    """Let the plain linear layers of a network multiply by oneDNN for a while, in float32 on a CPU.

    What inherits from them, or whose forward pass somebody else has replaced, stays as it is.
    """
    quick = [] if torch.is_autocast_enabled("cpu") else list(_plain(network))
    for layer in quick:
        layer.forward = _compat.onednn_linear(layer)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        for layer in quick:
            del layer.forward


def _plain(network: Any) -> Iterator[nn.Linear]:
    if not _compat.has_onednn():
        return
    for layer in network.modules() if isinstance(network, nn.Module) else ():
        replaced = "forward" in vars(layer)
        if type(layer) is nn.Linear and not replaced and layer.weight.dtype == torch.float32 and layer.weight.is_cpu:
            yield layer
