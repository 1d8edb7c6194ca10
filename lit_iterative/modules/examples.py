"""Examples: a batch of inputs with class labels, in parts."""

from typing import Any, NamedTuple

from torch import Tensor

from lit_iterative.errors import DataError


class Examples(NamedTuple):
    """A batch in parts.

    Args:
        inputs: What the network takes, ``rows`` of them.
        labels: Classes ``(rows,)`` or class probabilities ``(rows, classes)``.
        weights: Weights ``(rows,)``, or none where all count the same.
    """

    inputs: Any
    labels: Tensor
    weights: Tensor | None = None


def unpack(batch: Any) -> Examples:
    """Return the parts of a batch.

    Raises:
        DataError: If it is not ``(x, y)`` or ``(x, y, weight)``.

    Example:
        >>> import torch
        >>> unpack(["x", torch.tensor([1])]).weights is None
        True
    """
    if not isinstance(batch, list | tuple) or len(batch) not in (2, 3):
        form = f"{type(batch).__name__} of {len(batch)} parts" if hasattr(batch, "__len__") else type(batch).__name__
        raise DataError(
            f"Classifier was given a batch that is a {form}. Give (x, y) or (x, y, weight), or override "
            "on_before_batch_transfer in your DataModule to make it so."
        )
    return Examples(*batch)


def classes_of(labels: Tensor) -> Tensor:
    """Return the class of every row, shape ``(rows,)``: the label, or the largest part of a soft one."""
    return labels.argmax(dim=1) if labels.ndim == 2 else labels
