"""Builders of pseudo-labels: what a row is trained towards."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class HardLabels(Op):
    """The most probable class (Lee, 2013, "Pseudo-Label", eq. 2), the first of equals; keeps a weight that is there.

    Args:
        keep_probs: Whether the probabilities stay in the data, for inspection and for merges that need them.

    Requires ``probs`` ``(rows, classes)``; provides ``label`` ``(rows,)`` int64 and ``weight`` ``(rows,)`` float32.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> show(HardLabels()(example(probs=[[0.25, 0.75]]), None), "label")
        [1]
    """

    keep_probs: bool = False

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities."""
        return ("probs",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The label and its weight."""
        return ("label", "weight")

    @property
    def consumes(self) -> tuple[str, ...]:
        """All predictions, unless they are kept."""
        return () if self.keep_probs else ("probs", "logits", "members")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with labels and without the probabilities."""
        table = write(table, label=read(table, "probs").argmax(axis=1).astype(np.int64))
        if "weight" not in table.column_names:
            table = write(table, weight=np.ones(table.num_rows, dtype=np.float32))
        return table.drop_columns([name for name in self.consumes if name in table.column_names])
