"""Stages: runs of ops between which a round is written to disk, so that a crash loses little."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array
from lit_iterative.ops.op import Op, waits


@dataclass(frozen=True)
class Stage:
    """Ops that run one after another on the same shards.

    Args:
        ops: A single global op, or any number of row and group ops of which only the first runs the model or waits for
            what is measured before it.
        first: Position of the first op in the pipeline.
    """

    ops: list[Op]
    first: int

    @property
    def is_global(self) -> bool:
        """Whether the stage needs the whole table."""
        return self.ops[0].scope == "global"

    @property
    def runs_model(self) -> bool:
        """Whether the stage runs the model."""
        return self.ops[0].runs_model


def stages(ops: list[Op]) -> list[Stage]:
    """Cut a pipeline: before and after every global op, and before every op that runs the model or waits."""
    cut: list[Stage] = []
    for position, op in enumerate(ops):
        starts = op.scope == "global" or op.runs_model or waits(op) or not cut or cut[-1].is_global
        if starts:
            cut.append(Stage([op], position))
        else:
            cut[-1].ops.append(op)
    return cut


def cut_points(rows: int, size: int, group: Array | None = None) -> list[tuple[int, int]]:
    """Return the spans of shards of about ``size`` rows that keep the rows of one group together.

    Args:
        rows: Rows of the table.
        size: Rows of a shard.
        group: The group of each row, shape ``(rows,)``; rows of a group stand together.

    Example:
        >>> cut_points(5, 2), cut_points(5, 2, np.array([0, 1, 1, 2, 2]))
        ([(0, 2), (2, 4), (4, 5)], [(0, 3), (3, 5)])
    """
    if group is None:
        starts = np.arange(0, rows, size)
    else:
        heads = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]])) if rows else np.array([], int)
        at = np.unique(np.searchsorted(heads, np.arange(0, rows, size)))
        starts = heads[at[at < len(heads)]]
    ends = [*starts[1:].tolist(), rows]
    return list(zip(starts.tolist(), ends, strict=False))


def reshard(tables: list[pa.Table], size: int) -> list[pa.Table]:
    """Join small tables and cut them into shards of about ``size`` rows; at least one, maybe empty."""
    table = pa.concat_tables(tables)
    group = table.column("group").to_numpy() if "group" in table.column_names else None
    spans = cut_points(table.num_rows, size, group)
    return [table.slice(start, end - start) for start, end in spans] or [table]
