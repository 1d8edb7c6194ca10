"""Tables and runs that the tests of selection ops share."""

import json

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.ops import Context, Op
from lit_iterative.pool import Pool

POOL = Pool([0], 1)


def table_of(probs, ids=None, **columns):
    """A global op's table: ids, probabilities as float64, other columns, and ascending rows."""
    probs = np.asarray(probs, dtype=np.float64)
    ids = np.arange(len(probs)) if ids is None else ids
    return write(pa.table({"id": ids}), probs=probs, **columns, row=np.arange(len(probs)))


def random_table(rows=60, classes=4, seed=0, strings=False, sharp=2.0):
    """Candidates with ties in every score, ids in no order, and features that repeat."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(rows, classes)) * sharp + np.linspace(0, 1, classes)
    logits[rows // 2 :] = logits[: rows - rows // 2]
    probs = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    ids = draw.permutation(10 * rows)[:rows]
    confidence = probs.max(axis=1).round(1)
    return write(
        pa.table({"id": [f"x{value}" for value in ids] if strings else ids}),
        probs=probs,
        label=probs.argmax(axis=1),
        features=draw.integers(0, 4, size=(rows, 3)).astype(np.float32),
        row=np.arange(rows),
        **{"scores.confidence": confidence},
    )


def shuffled(table, seed=1):
    """The same candidates in another order."""
    order = np.random.default_rng(seed).permutation(table.num_rows)
    return write(table.take(pa.array(order)), row=np.arange(table.num_rows))


def run(op: Op, table, round=0, memory=None):
    """Run a round as the executor does: schedules resolved, and memory that the op may change."""
    context = Context(POOL, round=round, memory={} if memory is None else memory)
    return op.at(round, {})(table, context)


def ids(table):
    return read(table, "id").tolist()


def by_id(table):
    """Everything but the positions of the rows, in the order of ids."""
    return table.sort_by("id").drop_columns("row").to_pydict()


def rounds_of(op, seeds=(0, 1, 2), memory=None, through_json=False):
    """Run one round after another on different tables; return the ids kept and the memory after each."""
    memory, made = {} if memory is None else memory, []
    for round, seed in enumerate(seeds):
        made.append((by_id(run(op, random_table(seed=seed), round, memory)), json.dumps(memory, sort_keys=True)))
        if through_json:
            memory = json.loads(json.dumps(memory))
    return made


def check_keeps_order(op, **options):
    """Neither order nor kind of ids matters, and the rows that are kept ascend."""
    for strings in (False, True):
        table = random_table(strings=strings, **options)
        memories = [{}, {}]
        left, right = (run(op, t, memory=m) for t, m in zip((table, shuffled(table)), memories, strict=True))
        assert by_id(left) == by_id(right)
        assert memories[0] == memories[1]
        assert right.num_rows > 0
        assert (np.diff(read(right, "row")) > 0).all()


def check_goes_on(op):
    """Three rounds with the memory through JSON after each are the three rounds in one go; and memory matters."""
    assert rounds_of(op, through_json=True) == rounds_of(op)


def check_empty(op):
    """No rows in, no rows out, the same columns, and no change of memory."""
    table = random_table()
    made, memory = run(op, table.slice(0, 0), memory={}), {}
    run(op, table.slice(0, 0), memory=memory)
    assert made.num_rows == 0
    assert memory == {}
    assert made.schema == run(op, table).schema
