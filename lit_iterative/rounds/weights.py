"""Weights in the store: tensors only, read back with ``weights_only=True``."""

import pickle
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any

import torch
from torch import Tensor, nn

from lit_iterative.rounds.files import Files
from lit_iterative.sharding import held_alike, units_of, whole_state

Weights = Mapping[str, Tensor]


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Return weights and buffers, without the extra state that some modules keep beside them.

    Of a sharded module all processes ask together, and the first alone is told.
    """
    return {name: value for name, value in whole_state(module).items() if isinstance(value, Tensor)}


def load_into(module: nn.Module, weights: Weights) -> None:
    """Give a module these weights and buffers; extra state stays as it is."""
    state = module.state_dict()
    module.load_state_dict({**state, **(held_alike(weights, state) if units_of(module) else weights)})


def keep_primitives(checkpoint: dict[str, Any], names: Iterable[str]) -> None:
    """Leave out entries that could not be read back safely, such as hyperparameters that are modules or functions.

    A fit that is resumed has its module, and does not need them.
    """
    for name in set(names) & set(checkpoint):
        buffer = BytesIO()
        try:
            torch.save(checkpoint[name], buffer)
            torch.load(BytesIO(buffer.getvalue()), weights_only=True)
        except (pickle.PickleError, AttributeError, TypeError):
            del checkpoint[name]


def save_weights(files: Files, name: str, weights: Weights) -> None:
    """Write weights, on the CPU, to a file of the store."""
    buffer = BytesIO()
    torch.save({key: value.detach().cpu() for key, value in weights.items()}, buffer)
    files.write_bytes(name, buffer.getvalue())


def load_weights(files: Files, name: str) -> Weights:
    """Return weights written by :func:`save_weights`, on the CPU."""
    weights: Weights = torch.load(BytesIO(files.read_bytes(name)), map_location="cpu", weights_only=True)
    return weights


def load_checkpoint_weights(files: Files, name: str) -> Weights:
    """Return the module's weights in a Lightning checkpoint, on the CPU."""
    checkpoint = torch.load(BytesIO(files.read_bytes(name)), map_location="cpu", weights_only=True)
    return {name: value for name, value in checkpoint["state_dict"].items() if isinstance(value, Tensor)}
