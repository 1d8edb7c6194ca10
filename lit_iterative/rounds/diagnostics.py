"""Diagnostics of the data of a round: the numbers behind the figures, as pure functions of arrays."""

from dataclasses import dataclass

import numpy as np

from lit_iterative.columns import Array, look_up


@dataclass(frozen=True)
class Reliability:
    """Accuracy against confidence, in bins of equal width.

    Args:
        edges: Bounds of the bins, ascending, shape ``(bins + 1,)``.
        rows: Rows in every bin, shape ``(bins,)``.
        accuracy: Share of right labels in every bin, NaN in an empty one, shape ``(bins,)``.
        confidence: Mean confidence in every bin, NaN in an empty one, shape ``(bins,)``.
    """

    edges: Array
    rows: Array
    accuracy: Array
    confidence: Array

    @property
    def total_accuracy(self) -> float:
        """Share of right labels among all rows; NaN without rows."""
        return self._mean(self.accuracy)

    @property
    def total_confidence(self) -> float:
        """Mean confidence of all rows; NaN without rows."""
        return self._mean(self.confidence)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error over these bins (Guo et al., 2017, eq. 3); NaN without rows."""
        return self._mean(np.abs(self.accuracy - self.confidence))

    def _mean(self, values: Array) -> float:
        filled = self.rows > 0
        return float(np.average(values[filled], weights=self.rows[filled])) if filled.any() else float("nan")


def reliability(confidence: Array, right: Array, bins: int = 15, low: float = 0.0) -> Reliability:
    """Bin labels by confidence (Guo et al., 2017, arXiv:1706.04599, section 2).

    A confidence on the bound of two bins belongs to the lower one; one at ``low`` to the first bin.

    Args:
        confidence: In ``[low, 1]``, shape ``(rows,)``.
        right: Whether each label is right, shape ``(rows,)``.
        bins: Number of bins.
        low: Lower bound of the first bin.

    Returns:
        The bins over ``[low, 1]``.

    Example:
        >>> bins = reliability(np.array([0.3, 0.8, 0.9]), np.array([False, True, False]), bins=2)
        >>> bins.rows, bins.accuracy
        (array([1, 2]), array([0. , 0.5]))
    """
    edges = np.linspace(low, 1.0, bins + 1)
    index = np.searchsorted(edges[1:-1], confidence, side="left")
    rows = np.bincount(index, minlength=bins)
    sums = [np.bincount(index, weights=values, minlength=bins) for values in (right, confidence)]
    accuracy, mean = (np.where(rows > 0, total / np.maximum(rows, 1), np.nan) for total in sums)
    return Reliability(edges, rows, accuracy, mean)


def class_counts(labels: Array, classes: int) -> Array:
    """Count the rows of every class.

    Args:
        labels: Classes, shape ``(rows,)``; those below 0 are unknown and not counted.
        classes: Number of classes.

    Returns:
        Counts, shape ``(classes,)``.

    Example:
        >>> class_counts(np.array([2, 0, 2, -1]), classes=4)
        array([1, 0, 2, 0])
    """
    return np.bincount(labels[labels >= 0], minlength=classes)


def confusion(truth: Array, labels: Array, classes: int) -> Array:
    """Count the pairs of true class and label.

    Args:
        truth: True classes, shape ``(rows,)``; rows below 0 are unknown and not counted.
        labels: Labels, shape ``(rows,)``.
        classes: Number of classes.

    Returns:
        Counts, shape ``(classes, classes)``: true classes down, labels across.

    Example:
        >>> confusion(np.array([0, 1, 1, -1]), np.array([0, 0, 1, 1]), classes=2)
        array([[1, 0],
               [1, 1]])
    """
    known = truth >= 0
    cells = truth[known].astype(np.int64) * classes + labels[known].astype(np.int64)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def class_flow(ids: Array, labels: Array, old_ids: Array, old_labels: Array, classes: int) -> Array:
    """Count how inputs moved between classes from one round to the next.

    Args:
        ids: Unique ids of the inputs in this round, shape ``(rows,)``.
        labels: Their classes, shape ``(rows,)``.
        old_ids: Unique ids of the inputs in the round before, shape ``(old_rows,)``.
        old_labels: Their classes, shape ``(old_rows,)``.
        classes: Number of classes.

    Returns:
        Counts, shape ``(classes + 1, classes + 1)``: classes before down, classes now across. The last row
        counts inputs that are new in this round, the last column those that left.

    Example:
        >>> class_flow(np.array([5, 6]), np.array([0, 1]), np.array([5, 7]), np.array([1, 1]), classes=2)
        array([[0, 0, 0],
               [1, 0, 1],
               [0, 1, 0]])
    """
    position, stayed = look_up(ids, old_ids)
    before = np.full(len(ids), classes)
    before[stayed] = old_labels[position[stayed]]
    _, still_here = look_up(old_ids, ids)
    gone = old_labels[~still_here]
    return confusion(np.concatenate([before, gone]), np.concatenate([labels, np.full(len(gone), classes)]), classes + 1)
