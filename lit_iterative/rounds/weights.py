"""Weights in the store: tensors only, read back with ``weights_only=True``."""

from collections.abc import Mapping
from io import BytesIO

import torch
from torch import Tensor

from lit_iterative.rounds.files import Files

Weights = Mapping[str, Tensor]


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
    weights: Weights = checkpoint["state_dict"]
    return weights
