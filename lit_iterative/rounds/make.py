"""Making a round: run the ops, merge, measure, commit."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from lit_iterative import __version__
from lit_iterative.columns import write
from lit_iterative.ops.context import Context
from lit_iterative.ops.merge import Replace
from lit_iterative.ops.op import parameters_of, spec
from lit_iterative.rounds.executor import Executor
from lit_iterative.rounds.manifest import Manifest, OpCount
from lit_iterative.rounds.measure import measure, measured
from lit_iterative.rounds.plan import Phase, Plan
from lit_iterative.rounds.stages import reshard
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.verdict import Verdict
from lit_iterative.rounds.version import Version


@dataclass(frozen=True)
class Facts:
    """What a round starts from. With the plan they decide its data.

    Args:
        round: Its number.
        plan: Hash of the plan.
        ops: Hash of the ops, the merge and the weight policy, schedules resolved that wait for nothing, and of the
            factors by which guards have changed the others.
        seed: Seed of the run.
        weights: Hash of the weights at the boundary.
        pool: Hash of the pool's ids.
        previous: Key of the round on which it builds.
        metrics: The trainer's metrics.
        epoch: The epoch that is about to begin.
        global_step: Optimiser steps taken.
    """

    round: int
    plan: str
    ops: str
    seed: int
    weights: str
    pool: str
    previous: str | None
    metrics: dict[str, float]
    epoch: int
    global_step: int

    @property
    def key(self) -> str:
        """A hash of all that decides the data."""
        deciding = (self.round, self.plan, self.ops, self.seed, self.weights, self.pool, self.previous)
        return sha256(json.dumps(deciding).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as primitives, with the key."""
        return {**asdict(self), "key": self.key}


def hash_parts(parts: list[Any]) -> str:
    """Hash ops and policies by class and parameters."""
    return sha256(json.dumps(spec(parts), sort_keys=True).encode()).hexdigest()[:16]


def hash_weights(*states: Mapping[str, Tensor]) -> str:
    """Hash tensors by name, type, shape and content."""
    digest = sha256()
    for state in states:
        for name in sorted(state):
            tensor = state[name].detach().cpu().contiguous()
            digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def make_round(
    plan: Plan,
    phase: Phase,
    store: Store,
    facts: Facts,
    context: Context,
    report: Callable[[str], None] = lambda message: None,
    judge: Callable[[dict[str, Any]], Verdict] = lambda metrics: Verdict(),
) -> Version:
    """Make a round whose boundary is written, or go on with it where a crash fell; all ranks call this together.

    Args:
        plan: The plan.
        phase: The phase of this round, schedules resolved that wait for nothing.
        store: The store.
        facts: What the round starts from.
        context: The round, as ops see it.
        report: Called with the name of what happens next.
        judge: Called on rank 0 with what was measured; returns the verdict, which is committed with the round.

    Returns:
        The committed round.
    """
    start = time.perf_counter()
    draft = store.draft(facts.round)
    result = Executor(phase.ops, draft, context, plan.shard_size, report).run()
    if context.ranks.rank == 0:
        report("commit")
        old = None if context.previous is None else context.previous.table()
        new = pa.concat_tables([draft.read(result.stage, shard) for shard in range(result.shards)])
        table, merging = _merged(phase, new.replace_schema_metadata(None), old, facts, context)
        shards = draft.add_data(reshard([table], plan.shard_size))
        if result.ledger is not None:
            draft.add_ledger(result.ledger)
        path = store.path(facts.round)
        before = store.open(path[-1]).manifest.serves if path else None
        metrics = {**measured(result.ops), **measure(table, old, context.pool)}
        seconds = time.perf_counter() - start
        manifest = Manifest(
            **_origin(facts),
            recipe=plan.describe(),
            phase=phase.name,
            pool_rows=len(context.pool),
            shards=shards,
            serves=facts.round if shards else before,
            ops=[*result.ops, *merging],
            memory=result.memory,
            metrics=metrics,
            seconds=seconds,
            versions=versions(),
            verdict=judge({**metrics, "seconds": seconds}),
        )
        draft.commit(manifest)
    context.ranks.barrier()
    return store.open(facts.round)


def _merged(
    phase: Phase, new: pa.Table, old: pa.Table | None, facts: Facts, context: Context
) -> tuple[pa.Table, list[OpCount]]:
    """Mark new rows with their round and their maker and join them with the old ones; an empty round adds nothing."""
    actors = (
        new.column("source").cast(pa.string()) if "source" in new.column_names else pa.nulls(new.num_rows, pa.string())
    )
    source = pc.binary_join_element_wise(pc.fill_null(actors, "data"), facts.weights, "@").dictionary_encode()
    new = write(new, round=np.full(new.num_rows, facts.round, dtype=np.int32), source=source)
    if not new.num_rows or type(phase.merge) is Replace:
        return new, []
    start = time.perf_counter()
    table = phase.merge(new, old, context)
    rows_in = new.num_rows + (0 if old is None else old.num_rows)
    seconds = time.perf_counter() - start
    name = type(phase.merge).__name__
    return table, [OpCount(name, rows_in, table.num_rows, seconds, parameters_of(phase.merge))]


def _origin(facts: Facts) -> dict[str, Any]:
    names = ("round", "plan", "seed", "weights", "pool", "previous", "epoch", "global_step")
    return {**{name: getattr(facts, name) for name in names}, "key": facts.key, "metrics_before": facts.metrics}


def versions() -> dict[str, str]:
    """Return the versions of the packages that decide the data."""
    return {"lit-iterative": __version__, **{name: version(name) for name in ("torch", "lightning", "pyarrow")}}
