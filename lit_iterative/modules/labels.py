"""Checks of labels, made on the CPU before a batch goes to the device."""

from torch import Tensor

from lit_iterative.errors import DataError


def check_labels(labels: Tensor, num_classes: int) -> None:
    """Check that labels are what cross-entropy over so many classes takes.

    Args:
        labels: Classes ``(rows,)``, integers in ``[0, num_classes)``; or class probabilities
            ``(rows, num_classes)``, floating-point numbers that sum to 1 in every row.
        num_classes: Number of classes.

    Raises:
        DataError: If they are not.

    Example:
        >>> import torch
        >>> check_labels(torch.tensor([0, 3]), num_classes=3)
        Traceback (most recent call last):
        ...
        lit_iterative.errors.DataError: Labels reach from 0 to 3, but the classes are 0 to 2. ...
    """
    if not isinstance(labels, Tensor):
        raise DataError(
            f"The labels of a batch are a {type(labels).__name__}. Return tensors or numbers from the dataset."
        )
    if labels.ndim == 1 and not labels.is_floating_point():
        _check_hard(labels, num_classes)
    elif labels.ndim == 2 and labels.is_floating_point():
        _check_soft(labels, num_classes)
    else:
        raise DataError(
            f"The labels of a batch have the shape {tuple(labels.shape)} and the type {labels.dtype}. Give classes as "
            f"integers of shape (rows,), or class probabilities as floats of shape (rows, {num_classes})."
        )


def _check_hard(labels: Tensor, num_classes: int) -> None:
    if not len(labels):
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_classes:
        raise DataError(
            f"Labels reach from {low} to {high}, but the classes are 0 to {num_classes - 1}. Set num_classes to at "
            f"least {high + 1}, or number the classes from 0; rows without a label belong to the pool."
        )


def _check_soft(labels: Tensor, num_classes: int) -> None:
    if labels.shape[1] != num_classes:
        raise DataError(
            f"Soft labels have {labels.shape[1]} classes, but the classifier has {num_classes}. Set num_classes: "
            f"{labels.shape[1]}, and give the network as many outputs."
        )
    off = (labels.double().sum(dim=1) - 1).abs()
    # written so that NaN counts as wrong
    if not bool(((off <= 1e-2) & (labels >= 0).all(dim=1)).all()):
        raise DataError(
            f"Soft labels are not distributions: a row sums to {1 + float(off.max()):.4g} or has a negative part. "
            "Give probabilities, not logits: apply softmax first."
        )
