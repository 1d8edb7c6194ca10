"""ForwardOp: what ops that run the model over the inputs have in common, be it for classes, pixels or sequences."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import pyarrow as pa

from lit_iterative.columns import Array, read
from lit_iterative.ops.actors import Actor
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op


class ForwardOp(Op):
    """Runs an actor over the inputs, one batch after another. Subclass it as a frozen dataclass.

    Batches never cross shards, so the same rows meet in a batch whatever the number of ranks; every rank does the same
    number of forward passes.
    """

    actor: Actor
    runs_model: ClassVar[bool] = True

    @abstractmethod
    def columns(self, outputs: list[Any], rows: int, index: int) -> Any:
        """Return what is kept of a batch.

        Args:
            outputs: What the model's step returned for each member.
            rows: Rows of the batch.
            index: Number of the batch.
        """

    @abstractmethod
    def joined(self, table: pa.Table, parts: list[Any], like: Any) -> pa.Table:
        """Return a shard with what was kept.

        Args:
            table: The shard.
            parts: What was kept of its batches, in order.
            like: What was kept of some batch, which tells the widths for a shard without rows; none if there was none.
        """

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard with its predictions."""
        return next(self.map([table], context))

    def map(self, shards: Iterable[pa.Table], context: Context) -> Iterator[pa.Table]:
        """Stream over all shards of this rank with one loader, so that its workers start once."""
        tables = list(shards)  # ids, and columns of earlier ops: small
        batches = _Batches(tables, context)
        outputs = self._outputs(batches, context)
        rows_done, rows = 0, sum(table.num_rows for table in tables)
        like = next(outputs) if not rows else None  # tells the width of a table without rows
        for table in tables:
            parts = [next(outputs) for _ in batches.starts(table)]
            like = parts[0] if parts else like
            yield self.joined(table, parts, like)
            rows_done += table.num_rows
            if context.progress is not None:
                context.progress(rows_done, rows)
        for _ in outputs:
            pass  # passes that only keep the other ranks company

    def _outputs(self, batches: "_Batches", context: Context) -> Iterator[Any]:
        """Yield what the members say of each batch, reduced to what is kept."""
        members = self.actor.members
        forward = context.model()
        for index, batch in enumerate(context.pool.loader(batches)):
            ids = batches.ids(index)
            outputs = forward.run(batch, index, members, context.seed, context.round, str(ids[0]))
            yield self.columns(outputs, len(ids), index)


class _Batches(Sequence[list[int]]):
    """The positions of every batch of a rank, made when asked for, and as many more as another rank has.

    Args:
        tables: The shards of this rank.
        context: The round.
    """

    def __init__(self, tables: list[pa.Table], context: Context) -> None:
        self._pool, self._size = context.pool, context.pool.batch_size
        shards = [read(table, "id") for table in tables]
        self._places = [(ids, start) for ids in shards for start in range(0, len(ids), self._size)]
        self._passes = max(1, context.ranks.max(len(self._places)))

    def starts(self, table: pa.Table) -> range:
        """Return the first row of every batch of a shard."""
        return range(0, table.num_rows, self._size)

    def __len__(self) -> int:
        return self._passes

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self._passes:
            raise IndexError(index)
        positions: list[int] = self._pool.positions(self.ids(index)).tolist()
        return positions

    def ids(self, index: int) -> Array:
        """Return the ids of a batch; those of the pool's first inputs where only another rank has as many."""
        if index >= len(self._places):
            return self._pool.keys[: self._size]
        ids, start = self._places[index]
        return ids[start : start + self._size]
