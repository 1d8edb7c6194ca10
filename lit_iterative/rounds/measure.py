"""What is measured on the data of a round, for people and guards; no op sees hidden labels."""

from typing import Any

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, classes_of, look_up, read
from lit_iterative.ops.calibration import calibration_error
from lit_iterative.pool import Pool
from lit_iterative.rounds.manifest import OpCount

#: What the names of measures begin with, among the trainer's metrics and for schedules.
MEASURED = "round/"


def truth_of(table: pa.Table, pool: Pool) -> Array | None:
    """Return the hidden label of every row, shape ``(rows,)``, -1 where unknown; none without hidden labels."""
    if pool.truth is None:
        return None
    position, found = look_up(read(table, "id"), pool.keys)
    truth = np.asarray(pool.truth)[position] if len(table) else np.zeros(0, dtype=np.int64)
    return np.where(found, truth, -1)


def measured(ops: list[OpCount]) -> dict[str, float]:
    """Return what the ops measured on the side; a name that comes again is told apart by the op's position.

    Example:
        >>> ops = [OpCount("A", 1, 1, 0.0, {}, {"ties": 1}), OpCount("B", 1, 1, 0.0, {}, {"ties": 2})]
        >>> measured(ops)
        {'ties': 1, 'ties_1': 2}
    """
    metrics: dict[str, float] = {}
    for position, op in enumerate(ops):
        for name, value in op.measured.items():
            metrics[name if name not in metrics else f"{name}_{position}"] = value
    return metrics


def measure(table: pa.Table, old: pa.Table | None, pool: Pool) -> dict[str, Any]:
    """Measure a round.

    Args:
        table: Its rows.
        old: The rows of the round before.
        pool: The pool, with hidden labels where they exist.

    Returns:
        ``rows``; ``coverage`` (share of the pool with a row); ``new_inputs`` (inputs with a row that had none in the
        round before); ``label_counts`` (rows per class); ``flip_rate`` (share
        of the inputs in both rounds whose class changed); ``confidence`` (mean); with hidden labels
        ``label_accuracy`` and ``calibration_error`` (expected calibration error over 15 bins; Guo et al.,
        2017, eq. 3).
    """
    metrics: dict[str, Any] = {"rows": table.num_rows, "coverage": _coverage(table, pool)}
    metrics["new_inputs"] = _new_inputs(table, old)
    labels = classes_of(table)
    if labels is None or not len(labels):
        return metrics
    metrics["label_counts"] = np.bincount(labels).tolist()
    if "scores.confidence" in table.column_names:
        metrics["confidence"] = float(read(table, "scores.confidence").mean(dtype=np.float64))
    if "weight" in table.column_names:
        metrics["mean_weight"] = float(read(table, "weight").mean(dtype=np.float64))
    flips = flip_rate(table, labels, old)
    truth = truth_of(table, pool)
    return (
        metrics
        | ({} if flips is None else {"flip_rate": flips})
        | ({} if truth is None else _against(truth, labels, table))
    )


def _new_inputs(table: pa.Table, old: pa.Table | None) -> int:
    """Return the number of inputs that have a row and had none before."""
    ids = np.unique(read(table, "id")) if table.num_rows else np.zeros(0)
    if old is None or not old.num_rows or not len(ids):
        return len(ids)
    return int((~look_up(ids, read(old, "id"))[1]).sum())


def _coverage(table: pa.Table, pool: Pool) -> float:
    """Return the share of the pool's inputs that have a row."""
    if not table.num_rows:
        return 0.0
    _, found = look_up(pool.keys, np.unique(read(table, "id")))
    return float(found.mean())


def flip_rate(table: pa.Table, labels: Array, old: pa.Table | None) -> float | None:
    """Return the share of inputs in both tables whose class changed, or none where none is in both."""
    before = None if old is None else classes_of(old)
    if old is None or before is None:
        return None
    position, found = look_up(read(table, "id"), read(old, "id"))
    return float((labels[found] != before[position[found]]).mean()) if found.any() else None


def _against(truth: Array, labels: Array, table: pa.Table) -> dict[str, float]:
    known = truth >= 0
    if not known.any():
        return {}
    right = labels[known] == truth[known]
    metrics = {"label_accuracy": float(right.mean())}
    if "scores.confidence" in table.column_names:
        confidence = read(table, "scores.confidence")[known]
        metrics["calibration_error"] = calibration_error(confidence, right)
    return metrics
