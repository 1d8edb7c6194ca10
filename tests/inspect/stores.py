"""Stores made by hand, without a trainer."""

from typing import Any

import numpy as np
import pyarrow as pa

from lit_iterative.rounds.manifest import Manifest, OpCount
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.version import Version

LABELS = [{3: 0, 5: 1, 8: 1}, {5: 1, 8: 0, 9: 2}]  # of rounds 0 and 1, by id


def rows(labels: dict[int, int], soft: bool = False) -> pa.Table:
    label: Any = pa.array(list(labels.values()), pa.int64())
    if soft:
        values = np.eye(3, dtype=np.float32)[list(labels.values())].reshape(-1)
        label = pa.FixedSizeListArray.from_arrays(pa.array(values), 3)
    source = pa.array(["Policy@abc"] * len(labels), pa.string()).dictionary_encode()
    return pa.table({"id": pa.array(list(labels), pa.int64()), "label": label, "source": source})


def commit(store: Store, tables: list[pa.Table], **changes: Any) -> Version:
    """Commit the next round with a shard for each table."""
    round = len(store.rounds())
    draft = store.draft(round)
    shards = draft.add_data(tables)
    made = sum(table.num_rows for table in tables)
    facts: dict[str, Any] = {
        "round": round,
        "key": f"key{round}",
        "plan": "plan",
        "recipe": {},
        "phase": "main",
        "seed": 7,
        "weights": f"weights{round}",
        "pool": "pool",
        "previous": None,
        "pool_rows": 10,
        "shards": shards,
        "serves": round if shards else None,
        "ops": [
            OpCount("Predict", 10, 10, 0.5, {"output": "logits"}),
            OpCount("Threshold", 10, made, 0.25, {"value": 0.9 - 0.1 * round}),
        ],
        "memory": {},
        "metrics_before": {"val_accuracy": 0.5 + 0.25 * round, "round/label_accuracy": 0.1},
        "metrics": {"rows": made, "coverage": made / 10, "label_accuracy": 0.75},
        "seconds": 2.0,
        "epoch": 2 + round,
        "global_step": 1000 * (round + 1),
        "versions": {"torch": "2.0"},
    }
    return draft.commit(Manifest(**{**facts, **changes}))


def two_rounds(path: Any, soft: bool = False) -> Store:
    """Round 0 in two shards, round 1 in one."""
    store = Store(path)
    first = rows(LABELS[0], soft)
    commit(store, [first.slice(0, 2), first.slice(2)])
    commit(store, [rows(LABELS[1], soft)])
    return store
