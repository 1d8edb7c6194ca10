"""What the figures of a round are drawn from."""

from dataclasses import dataclass

from lit_iterative.columns import Array, classes_of, read
from lit_iterative.pool import Pool
from lit_iterative.rounds.measure import truth_of
from lit_iterative.rounds.version import Version

COLUMNS = ("id", "label", "scores.confidence")


@dataclass(frozen=True)
class Snapshot:
    """The labels that a round serves.

    Args:
        ids: Ids of the inputs, shape ``(rows,)``.
        labels: Their classes, shape ``(rows,)``; none where the round makes something else.
        truth: Their hidden classes, -1 where unknown, shape ``(rows,)``; none without hidden labels.
        confidence: Confidence of each label, shape ``(rows,)``; none where it was not kept.
    """

    ids: Array
    labels: Array | None
    truth: Array | None
    confidence: Array | None

    @classmethod
    def of(cls, version: Version, pool: Pool) -> "Snapshot":
        """Read them from the store, and no other columns."""
        known = version.columns
        found = [name for name in COLUMNS if name in known]
        table = version.table(found)
        confidence = read(table, "scores.confidence") if "scores.confidence" in found else None
        return cls(read(table, "id"), classes_of(table), truth_of(table, pool), confidence)
