"""Classes of rows and how often each is expected."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read
from lit_iterative.errors import DataError, PipelineError


def read_probs(table: pa.Table, name: str = "probs") -> Array:
    """Return class probabilities, shape ``(rows, classes)``.

    Raises:
        DataError: If the column has no vectors, or has NaN in it.

    Example:
        >>> from lit_iterative.ops.testing import example
        >>> read_probs(example(probs=[[0.25, 0.75]])).shape
        (1, 2)
    """
    probs = read(table, name)
    if probs.ndim != 2:
        raise DataError(
            f"Column {name!r} has shape {probs.shape}, but class probabilities are (rows, classes). "
            "Put Predict() before, or name a column that holds them."
        )
    bad = np.asarray(np.isnan(probs).any(axis=1))
    if bad.any():
        ids = read(table, "id")[bad]
        raise DataError(
            f"Column {name!r} has NaN in {bad.sum()} of {len(bad)} rows, for example ids {ids[:3].tolist()}. "
            "Drop these rows, or look for what made them in the op that wrote the column."
        )
    return probs


def read_classes(table: pa.Table, name: str) -> Array:
    """Return the class of each row, shape ``(rows,)``: the most probable one, or the label.

    Args:
        table: The rows.
        name: A column of probabilities ``(rows, classes)``, or of labels from 0 on ``(rows,)``.

    Raises:
        DataError: If it is neither.

    Example:
        >>> read_classes(pa.table({"id": [5], "label": [3]}), "label")
        array([3])
    """
    values = read(table, name)
    if values.ndim == 2:
        return np.asarray(read_probs(table, name).argmax(axis=1))
    if values.dtype.kind not in "iu" or (len(values) and values.min() < 0):
        raise DataError(
            f"Column {name!r} has type {values.dtype} and values such as {values[:3].tolist()}, but classes are whole "
            "numbers from 0 on, or vectors of probabilities. Name the column probs, or one of labels."
        )
    return values.astype(np.int64)


def class_count(table: pa.Table, name: str, classes: Array) -> int:
    """Return the number of classes: the width of the probabilities, or the largest label and one."""
    values = read(table, name)
    return int(values.shape[1]) if values.ndim == 2 else int(classes.max(initial=-1)) + 1


def check_prior(op: str, prior: Sequence[float] | None) -> None:
    """Check the numbers of a prior.

    Raises:
        PipelineError: If one is negative or not finite, or all are zero.

    Example:
        >>> check_prior("Sinkhorn", [0.0, 0.0])
        Traceback (most recent call last):
        ...
        lit_iterative.errors.PipelineError: Sinkhorn has the prior [0.0, 0.0]. Give a share or a count, zero or ...
    """
    if prior is None:
        return
    values = np.asarray(prior, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        raise PipelineError(
            f"{op} has the prior {prior}. Give a share or a count, zero or more, for every class; not all zero."
        )


def prior_of(prior: Sequence[float] | None, classes: int) -> Array:
    """Return the prior scaled to sum 1, shape ``(classes,)``; uniform where none is given.

    Raises:
        DataError: If it has another number of classes.

    Example:
        >>> prior_of([3, 1], classes=2)
        array([0.75, 0.25])
    """
    if prior is None:
        return np.full(classes, 1.0 / max(classes, 1))
    if len(prior) != classes:
        raise DataError(
            f"The prior has {len(prior)} numbers but there are {classes} classes. Give one for each class, in order."
        )
    values = np.asarray(prior, dtype=np.float64)
    return np.asarray(values / values.sum())
