"""ModelOp: what ops that ask the policy about rows have in common."""

from collections.abc import Iterable, Iterator
from typing import ClassVar

import pyarrow as pa

from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op


class ModelOp(Op):
    """An op that asks the policy, shard after shard, and tells of the progress. Subclass it as a frozen dataclass."""

    runs_model: ClassVar[bool] = True

    def map(self, shards: Iterable[pa.Table], context: Context) -> Iterator[pa.Table]:
        """Apply the op to one shard after another."""
        tables = list(shards)
        rows, done = sum(table.num_rows for table in tables), 0
        for table in tables:
            yield self(table, context)
            done += table.num_rows
            if context.progress is not None:
                context.progress(done, rows)
