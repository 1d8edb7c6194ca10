"""Checks of ops: the executor stores the same bytes on any number of ranks and wherever a crash fell."""

import json
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from lit_iterative.ops.context import Context, Ranks
from lit_iterative.rounds.executor import Executor, Result
from lit_iterative.rounds.store import Store
from lit_iterative.testing.case import OpCase
from lit_iterative.testing.crash import Crash, CrashingStore
from lit_iterative.testing.expect import expect, fail
from lit_iterative.testing.fixtures import FakeForward, Past, Source
from lit_iterative.testing.ranks import run_ranks
from lit_iterative.testing.scratch import scratch

SHARD_SIZE = 6


@dataclass(frozen=True)
class Stored:
    """What a round left behind.

    Args:
        shards: The bytes of the shards of the last stage.
        state: State of ops, rows in and out of every op, what each counted, and the ledger, as JSON.
    """

    shards: tuple[bytes, ...]
    state: str


def stored(store: Store, round: int, result: Result) -> Stored:
    """Read what the executor left."""
    shards = [store.draft(round).content(result.stage, shard) for shard in range(result.shards)]
    counts = [(count.name, count.rows_in, count.rows_out, count.measured) for count in result.ops]
    ledger = None if result.ledger is None else result.ledger.to_pydict()
    state = {"memory": result.memory, "counts": counts, "ledger": ledger}
    return Stored(tuple(shards), json.dumps(state, sort_keys=True, default=str))


def run_round(case: OpCase, store: Store, context: Context, world_size: int = 1) -> Result:
    """Run the op behind a :class:`Source` through the executor, on one rank or several, in a store.

    Raises:
        ConformanceError: If ranks do unequal numbers of forward passes.
    """
    ops = [Source(case.table_of(context.round)), case.op]
    models = [FakeForward() for _ in range(world_size)]

    def work(ranks: Ranks) -> Result:
        own: Any = models[ranks.rank]
        mine = replace(context, ranks=ranks, forward=own)
        return Executor(ops, store.draft(context.round), mine, SHARD_SIZE).run()

    result = run_ranks(world_size, work)[0]
    passes = [model.passes for model in models]
    expect(len(set(passes)) == 1, f"{case.op.name} does {passes} forward passes on {world_size} ranks; pad them.")
    return result


@dataclass(frozen=True)
class _Start:
    """What a round starts from, as JSON, so that every start is a fresh one."""

    round: int
    memory: str
    ledger: pa.Table | None
    previous: pa.Table | None

    def context(self, case: OpCase) -> Context:
        previous = None if self.previous is None else Past(self.round - 1, self.previous)
        return Context(
            case.pool, round=self.round, memory=json.loads(self.memory), ledger=self.ledger, previous=previous
        )


def _second_round(case: OpCase, folder: str) -> _Start:
    """Return where the second round starts: then stateful ops have a state."""
    store = Store(folder)
    start = _Start(0, "{}", case.ledger, None)
    result = run_round(case, store, start.context(case))
    return _Start(1, to_json(case, result.memory), result.ledger, _table(store, 0, result))


def to_json(case: OpCase, memory: Any) -> str:
    """Return the state of ops as JSON.

    Raises:
        ConformanceError: If it cannot be read again as it was.
    """
    text = json.dumps(memory)
    expect(
        json.loads(text) == memory,
        f"{case.op.name} keeps {memory!r} in context.memory, which JSON gives back as {text}. Use finite numbers, "
        "strings, lists, and dictionaries with strings as keys.",
    )
    return text


def _table(store: Store, round: int, result: Result) -> pa.Table:
    draft = store.draft(round)
    parts = [draft.read(result.stage, shard).replace_schema_metadata(None) for shard in range(result.shards)]
    return pa.concat_tables(parts)


def check_ranks(case: OpCase) -> None:
    """One rank, two and three store the same bytes."""
    with scratch() as folder:
        start = _second_round(case, f"{folder}/start")
        found = []
        for size in (1, 2, 3):
            store = Store(f"{folder}/{size}")
            found.append(stored(store, 1, run_round(case, store, start.context(case), size)))
        for size, other in zip((2, 3), found[1:], strict=True):
            expect(other == found[0], f"{case.op.name} stores other data on {size} ranks than on one.")


def check_restart(case: OpCase) -> None:
    """A crash in place of any write, and a restart on one rank or two, store the same bytes as no crash."""
    with scratch() as folder:
        start = _second_round(case, f"{folder}/start")
        whole = CrashingStore(f"{folder}/whole")
        wanted = stored(whole, 1, run_round(case, whole, start.context(case)))
        for writes in range(whole.crashing.done):
            place = f"{folder}/crash-{writes}"
            _crash(case, CrashingStore(place, writes), start)
            store = Store(place)
            found = stored(store, 1, run_round(case, store, start.context(case), 1 + writes % 2))
            expect(found == wanted, f"{case.op.name} stores other data after a crash in place of write {writes}.")


def _crash(case: OpCase, store: CrashingStore, start: _Start) -> None:
    try:
        run_round(case, store, start.context(case))
    except Crash:
        return
    fail(f"{case.op.name} hides an error of the store. Do not catch what you cannot handle.")


def check_memory(case: OpCase) -> None:
    """State between rounds survives JSON: three rounds with a restart before each store what three at one go store.

    Only global ops have state.
    """
    if case.op.scope != "global":
        context = case.context()
        case.op(case.table, context)
        expect(not context.memory, f"{case.op.name} keeps state, which only ops of scope 'global' may.")
        return
    with scratch() as folder:
        live = _three_rounds(case, f"{folder}/live", restart=False)
        again = _three_rounds(case, f"{folder}/again", restart=True)
    message = f"{case.op.name} makes another round after a restart. Keep all state in context.memory."
    for found, wanted in zip(again, live, strict=True):
        expect(found == wanted, message)


def _three_rounds(case: OpCase, folder: str, restart: bool) -> list[Stored]:
    store, rounds = Store(folder), []
    context = _Start(0, "{}", case.ledger, None).context(case)
    for round in range(3):
        result = run_round(case, store, context)
        rounds.append(stored(store, round, result))
        previous = Past(round, _table(store, round, result))
        text = to_json(case, result.memory)
        memory = json.loads(text) if restart else result.memory
        context = replace(context, round=round + 1, memory=memory, ledger=result.ledger, previous=previous)
    return rounds
