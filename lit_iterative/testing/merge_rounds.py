"""Rounds with a merge: the store commits the same bytes on any number of ranks and wherever a crash fell."""

from typing import Any

import pyarrow as pa

from lit_iterative.ops.context import Context, Ranks
from lit_iterative.ops.merge import Merge
from lit_iterative.pool import Pool
from lit_iterative.rounds.make import Facts, make_round
from lit_iterative.rounds.plan import Phase, Plan
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.version import Version
from lit_iterative.testing.crash import Crash, CrashingStore
from lit_iterative.testing.expect import expect, fail
from lit_iterative.testing.fixtures import Source
from lit_iterative.testing.ranks import run_ranks
from lit_iterative.testing.tables import rolled

SHARD_SIZE = 9


def commit(merge: Merge, table: pa.Table, pool: Pool, store: Store, round: int, world_size: int = 1) -> Any:
    """Make a round and return the hashes of what it committed.

    Args:
        merge: The merge.
        table: Rows for all inputs; every round has other values, of other inputs.
        pool: The inputs.
        store: Holds all rounds before.
        round: Number of the round.
        world_size: Number of ranks.
    """
    rows = rolled(table, 3 * round).slice(4 * round, table.num_rows * 2 // 3)
    plan = Plan([Phase([Source(rows)], merge)], seed=0, shard_size=SHARD_SIZE)
    facts = Facts(round, "plan", "ops", 0, f"weights-{round}", pool.fingerprint, None, {}, round, round)

    def work(ranks: Ranks) -> Version:
        previous = store.open(round - 1) if round else None
        context = Context(pool, round=round, ranks=ranks, previous=previous)
        return make_round(plan, plan.phases[0], store, facts, context)

    manifest = run_ranks(world_size, work)[0].manifest
    return [shard.sha256 for shard in manifest.shards], manifest.serves, manifest.memory


def check_merge_ranks(merge: Merge, table: pa.Table, pool: Pool, folder: str) -> None:
    """Three rounds on one rank and on two commit the same bytes."""
    one, two = ([commit(merge, table, pool, Store(f"{folder}/{size}"), r, size) for r in range(3)] for size in (1, 2))
    expect(one == two, f"{type(merge).__name__} commits other rows on two ranks than on one.")


def check_merge_restart(merge: Merge, table: pa.Table, pool: Pool, folder: str) -> None:
    """A second round that crashes in place of any write and is made again commits the same bytes as without."""
    whole = CrashingStore(f"{folder}/whole")
    commit(merge, table, pool, whole, 0)
    before = whole.crashing.done
    wanted = commit(merge, table, pool, whole, 1)
    for writes in range(whole.crashing.done - before):
        place = f"{folder}/crash-{writes}"
        commit(merge, table, pool, Store(place), 0)
        _crash(merge, table, pool, CrashingStore(place, writes))
        found = commit(merge, table, pool, Store(place), 1, 1 + writes % 2)
        expect(found == wanted, f"{type(merge).__name__} commits other rows after a crash in place of write {writes}.")


def _crash(merge: Merge, table: pa.Table, pool: Pool, store: CrashingStore) -> None:
    try:
        commit(merge, table, pool, store, 1)
    except Crash:
        return
    fail(f"{type(merge).__name__} hides an error of the store. Do not catch what you cannot handle.")
