"""Scores of single rows, from class probabilities."""

from dataclasses import dataclass

import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class Confidence(Op):
    """The largest class probability, ``max_c p_c``.

    Requires ``probs`` ``(rows, classes)``; provides ``scores.confidence`` ``(rows,)`` in [0, 1].

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> show(Confidence()(example(probs=[[0.25, 0.75]]), None), "scores.confidence")
        [0.75]
    """

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities."""
        return ("probs",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.confidence",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        return write(table, **{"scores.confidence": read(table, "probs").max(axis=1)})
