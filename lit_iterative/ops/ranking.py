"""Rankings of rows that do not depend on the order they come in: equals are told apart by their ids."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lit_iterative.columns import Array, read
from lit_iterative.errors import DataError


def read_score(table: pa.Table, name: str) -> Array:
    """Return a column of scores, shape ``(rows,)``.

    Raises:
        DataError: If it is a column of vectors, or a score is not a number.

    Example:
        >>> read_score(pa.table({"id": [1], "scores.margin": [0.5]}), "scores.margin")
        array([0.5])
    """
    score = read(table, name)
    if score.ndim != 1 or score.dtype.kind not in "fiub":
        raise DataError(
            f"Column {name!r} has type {score.dtype} and shape {score.shape}, but a score is one number a row. "
            "Name a column that a score op provides, for example scores.confidence."
        )
    bad = np.isnan(score)
    if bad.any():
        ids = read(table, "id")[bad]
        raise DataError(
            f"Column {name!r} is NaN in {bad.sum()} of {len(bad)} rows, for example ids {ids[:3].tolist()}. "
            "Fill or drop these rows before they are compared."
        )
    return score


def id_order(table: pa.Table) -> Array:
    """Return the positions of the rows by ascending id, shape ``(rows,)``; rows of one id stay in order.

    Sums over rows in this order are the same to the last bit however the rows were shuffled.

    Example:
        >>> id_order(pa.table({"id": ["b", "a"]}))
        array([1, 0])
    """
    order = pc.sort_indices(table, sort_keys=[("id", "ascending")])
    return np.asarray(order.to_numpy(zero_copy_only=False), dtype=np.int64)


def best_first(table: pa.Table, score: Array, largest: bool = True) -> Array:
    """Return the positions of the rows from the best score to the worst, equals by ascending id.

    Args:
        table: The rows.
        score: Their scores, shape ``(rows,)``.
        largest: Whether large scores are good, or small ones.

    Example:
        >>> best_first(pa.table({"id": [2, 1, 0]}), np.array([0.5, 0.5, 0.9]))
        array([2, 1, 0])
    """
    order = id_order(table)
    ascending = -score[order].astype(np.float64) if largest else score[order]
    return order[np.argsort(ascending, kind="stable")]


def first_mask(order: Array, count: int) -> Array:
    """Return a mask of the rows at the first ``count`` positions of an order.

    Example:
        >>> first_mask(np.array([2, 0, 1]), 1)
        array([False, False,  True])
    """
    mask = np.zeros(len(order), dtype=bool)
    mask[order[: max(count, 0)]] = True
    return mask


def first_of_each_mask(order: Array, groups: Array, limits: Array) -> Array:
    """Return a mask of the first rows of every group along an order.

    Args:
        order: Positions of all rows, shape ``(rows,)``.
        groups: The group of each row, from 0 on, shape ``(rows,)``.
        limits: How many of each group are taken, shape ``(groups,)``.

    Example:
        >>> first_of_each_mask(np.array([2, 0, 1]), np.array([0, 0, 1]), np.array([1, 1]))
        array([ True, False,  True])
    """
    by_group = order[np.argsort(groups[order], kind="stable")]
    sizes = np.bincount(groups, minlength=len(limits))
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    mask = np.zeros(len(order), dtype=bool)
    mask[by_group] = place < limits[groups[by_group]]
    return mask
