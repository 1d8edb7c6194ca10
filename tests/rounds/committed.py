"""Rounds that are committed without a run."""

import pyarrow as pa

from lit_iterative.rounds.manifest import Manifest, OpCount


def manifest(round, shards, serves=None, **other):
    facts = {
        "key": f"key{round}",
        "plan": "plan",
        "recipe": {},
        "phase": "main",
        "seed": 0,
        "weights": "w",
        "pool": "p",
    }
    zero = {
        "metrics_before": {},
        "seconds": 0.0,
        "seed": 0,
        "epoch": round,
        "global_step": 0,
        "versions": {},
        "memory": {},
    }
    rest = {"previous": None, "pool_rows": 9, "ops": [OpCount("A", 9, 2, 0.1)], "metrics": {"rows": 2}}
    serves = (round if shards else None) if serves is None else serves
    return Manifest(round=round, shards=shards, serves=serves, **{**facts, **zero, **rest, **other})


def commit(store, round, ids, **other):
    draft = store.draft(round)
    draft.begin({"key": f"key{round}", "plan": "plan"})
    draft.write(0, 0, pa.table({"id": [1]}))
    shards = draft.add_data(pa.table({"id": pa.array(part, pa.int64())}) for part in ids)
    return draft.commit(manifest(round, shards, **other))
