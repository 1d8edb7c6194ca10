"""The executor: runs the ops of a round over the pool, on every rank, and goes on where a crash fell."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, check, parameters_of, resolve
from lit_iterative.ops.tally import Tally
from lit_iterative.rounds.draft import Draft
from lit_iterative.rounds.manifest import OpCount
from lit_iterative.rounds.measure import MEASURED, measured
from lit_iterative.rounds.stages import Stage, reshard, stages

COUNTS, TALLIES = b"rows_in_and_out", b"tallies"


@dataclass(frozen=True)
class Result:
    """What the ops left behind.

    Args:
        stage: The last stage, whose shards are the result.
        shards: Number of its shards.
        ops: What every op did.
        memory: State of ops for the next round.
        ledger: What is remembered of every input.
    """

    stage: int
    shards: int
    ops: list[OpCount]
    memory: dict[str, Any]
    ledger: pa.Table | None


class Executor:
    """Runs a pipeline.

    The unit of work is a shard of fixed composition; ranks only decide who computes which. Row and group
    ops are mapped over shards on every rank, global ops run on rank 0. Every stage is written shard by
    shard, so that a restart skips what is finished.

    Args:
        ops: The pipeline, all schedules resolved that wait for nothing.
        draft: The unfinished round.
        context: The round.
        shard_size: Rows of a shard.
        report: Called with the name of what happens next.
    """

    def __init__(
        self,
        ops: Sequence[Op],
        draft: Draft,
        context: Context,
        shard_size: int,
        report: Callable[[str], None] = lambda message: None,
    ) -> None:
        check(list(ops))
        self.ops = list(ops)
        self.draft = draft
        self.context = context
        self.shard_size = shard_size
        self.report = report

    def run(self) -> Result:
        """Run every stage that is not finished; all ranks call this together."""
        memory: dict[str, Any] = dict(self.context.memory)
        context = self.context
        counts: list[OpCount] = []
        shards = self._source_shards()
        for number, stage in enumerate(stages(self.ops)):
            note = self.context.ranks.broadcast(self.draft.read_note(f"stage-{number:02d}"))
            if note is None:
                note = self._run_stage(number, self._settled(stage, counts), shards, memory, context)
            shards, memory = note["shards"], note["memory"]
            if note["ledger"]:
                context = replace(context, ledger=self.draft.read_ledger(number))
            counts += [OpCount(**count) for count in note["counts"]]
        return Result(number, shards, counts, memory, context.ledger)

    def _settled(self, stage: Stage, counts: list[OpCount]) -> Stage:
        """Return a stage whose schedules have seen what the ops before it measured."""
        known = {f"{MEASURED}{name}": value for name, value in measured(counts).items()}
        ops = resolve(stage.ops, self.context.place, {**self.context.factors, **known}, waiting=True)
        return replace(stage, ops=ops)

    def _run_stage(
        self, number: int, stage: Stage, shards: int, memory: dict[str, Any], context: Context
    ) -> dict[str, Any]:
        """Run a stage on all ranks and note what it did."""
        ranks = self.context.ranks
        self.report(" > ".join(op.name for op in stage.ops))
        start = time.perf_counter()
        note: dict[str, Any] = {"memory": memory, "ledger": False}
        if not stage.is_global:
            self._map(number, stage, shards, memory, context)
            ranks.barrier()
            note["shards"] = shards
        elif ranks.rank == 0:
            self._reduce(number, stage, shards, note, context)
        seconds = time.perf_counter() - start
        if ranks.rank == 0:
            note["counts"] = note.get("counts") or self._counts(number, stage, shards, seconds)
            self.draft.write_note(f"stage-{number:02d}", note)
        ranks.barrier()
        result: dict[str, Any] = ranks.broadcast(note)
        return result

    # ---- where the rows come from -------------------------------------------------------------------

    def _source_shards(self) -> int:
        return -(-len(self.context.pool) // self.shard_size)

    def _read(self, stage: int, shard: int, columns: list[str] | None = None) -> pa.Table:
        """Return an input shard of a stage: one of the stage before, or ids of the pool."""
        if stage > 0:
            return self.draft.read(stage - 1, shard, columns)
        start = shard * self.shard_size
        return pa.table({"id": self.context.pool.keys[start : start + self.shard_size]})

    # ---- row and group ops ----------------------------------------------------------------------------

    def _map(self, number: int, stage: Stage, shards: int, memory: dict[str, Any], context: Context) -> None:
        """Compute this rank's part of the shards that are not finished."""
        ranks = context.ranks
        done = ranks.broadcast(sorted(self.draft.shards(number)))
        pending = [shard for shard in range(shards) if shard not in set(done)]
        mine = pending[ranks.rank :: ranks.world_size]
        if not pending:
            return
        quiet = context.model().quiet(context.seed, context.round) if stage.runs_model else nullcontext()
        with quiet:
            tables: Iterable[pa.Table] = (self._read(number, shard) for shard in mine)
            counts: list[deque[int]] = [deque()]
            tallies = [Tally() for _ in stage.ops]
            tables = _counted(tables, counts[0])
            for offset, op in enumerate(stage.ops):
                counts.append(deque())
                op_memory = memory.get(_key(stage.first + offset, op), {})
                tables = _counted(op.map(tables, replace(context, memory=op_memory, tally=tallies[offset])), counts[-1])
            rest = iter(mine)
            for table in tables:
                rows = ",".join(str(count.popleft()) for count in counts)
                taken = json.dumps([tally.take() for tally in tallies])
                schema = {**(table.schema.metadata or {}), COUNTS: rows.encode(), TALLIES: taken.encode()}
                self.draft.write(number, next(rest), table.replace_schema_metadata(schema))
        missing = list(rest)
        if missing:
            raise PipelineError(
                f"The ops {[op.name for op in stage.ops]} returned {len(mine) - len(missing)} of {len(mine)} "
                "shards. map() must yield exactly one table for each one it is given."
            )

    def _counts(self, number: int, stage: Stage, shards: int, seconds: float) -> list[dict[str, Any]]:
        """Add up the rows in and out of every op over all shards, and check that none is missing."""
        missing = sorted(set(range(shards)) - self.draft.shards(number))
        if missing:
            raise DataError(
                f"Shards {missing[:5]} of {shards} are missing after {stage.ops[0].name}. Do all ranks write to "
                "the same folder? The round store must be on storage that every rank shares."
            )
        totals = np.zeros(len(stage.ops) + 1, dtype=np.int64)
        tallies = [Tally() for _ in stage.ops]
        for shard in range(shards):
            metadata = self.draft.schema(number, shard)[0].metadata
            totals += np.array(metadata[COUNTS].decode().split(","), dtype=np.int64)
            for tally, taken in zip(tallies, json.loads(metadata[TALLIES]), strict=True):
                tally.add(Tally.given(taken))
        share = seconds / len(stage.ops)
        return [
            _count(op, int(rows_in), int(rows_out), share, tally)
            for op, rows_in, rows_out, tally in zip(stage.ops, totals[:-1], totals[1:], tallies, strict=True)
        ]

    # ---- global ops -----------------------------------------------------------------------------------

    def _reduce(self, number: int, stage: Stage, shards: int, note: dict[str, Any], context: Context) -> None:
        """Run a global op on the columns that it requires and carry its decision to all columns."""
        op = stage.ops[0]
        key = _key(stage.first, op)
        start = time.perf_counter()
        columns = list(dict.fromkeys(["id", *op.requires]))
        parts = [self._read(number, shard, columns).select(columns) for shard in range(shards)]
        gathered = pa.concat_tables([part.replace_schema_metadata(None) for part in parts])
        gathered = write(gathered, row=np.arange(gathered.num_rows))
        op_context = replace(context, memory=dict(note["memory"].get(key, {})), tally=Tally())
        kept = op(gathered, op_context)
        rows = _kept_rows(op, kept)
        offsets = np.cumsum([0, *(part.num_rows for part in parts)])
        added = kept.select([name for name in op.provides if name in kept.column_names])
        note["shards"] = self._rewrite(number, offsets, rows, added)
        if op_context.memory:
            note["memory"] = {**note["memory"], key: op_context.memory}
        remembered = op.remember(gathered, op_context)
        if remembered is not None:
            self.draft.write_ledger(number, remembered)
            note["ledger"] = True
        seconds = time.perf_counter() - start
        note["counts"] = [_count(op, gathered.num_rows, kept.num_rows, seconds, op_context.tally)]

    def _rewrite(self, number: int, offsets: Any, rows: Any, added: pa.Table) -> int:
        """Write the kept rows of every shard with the added columns, cut afresh; return how many shards."""
        buffer: list[pa.Table] = []
        written = 0
        for shard, (start, end) in enumerate(pairwise(offsets)):
            low, high = np.searchsorted(rows, [start, end])
            table = self._read(number, shard).take(pa.array(rows[low:high] - start))
            for name in added.column_names:
                table = write(table, **{name: added.column(name).slice(low, high - low)})
            buffer.append(table.replace_schema_metadata(None))
            if sum(part.num_rows for part in buffer) >= 2 * self.shard_size:
                *full, rest = reshard(buffer, self.shard_size)
                written = self._write_all(number, written, full)
                buffer = [rest]
        return self._write_all(number, written, reshard(buffer, self.shard_size))

    def _write_all(self, number: int, written: int, tables: list[pa.Table]) -> int:
        for table in tables:
            self.draft.write(number, written, table)
            written += 1
        return written


def _counted(tables: Iterable[pa.Table], counts: deque[int]) -> Iterator[pa.Table]:
    for table in tables:
        counts.append(table.num_rows)
        yield table


def _count(op: Op, rows_in: int, rows_out: int, seconds: float, tally: Tally) -> dict[str, Any]:
    counted = {"name": op.name, "rows_in": rows_in, "rows_out": rows_out, "seconds": seconds}
    return {**counted, "parameters": parameters_of(op), "measured": tally.values()}


def _kept_rows(op: Op, kept: pa.Table) -> Any:
    """Return the positions of the rows that a global op kept, which must ascend."""
    rows = read(kept, "row") if "row" in kept.column_names else np.array([-1])
    if np.any(rows < 0) or np.any(np.diff(rows) <= 0):
        raise PipelineError(
            f"{op.name} is a global op, but lost, repeated or reordered the column 'row'. Select rows of the "
            "given table with columns.keep and add columns with columns.write."
        )
    return rows


def _key(position: int, op: Op) -> str:
    return f"{position}:{op.name}"
