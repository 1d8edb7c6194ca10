"""Random candidates, and what the tests of builders share."""

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.ops import Context, Op
from lit_iterative.ops.language.testing import candidates
from lit_iterative.pool import Pool
from lit_iterative.testing import completions

POOL = Pool([0], 1)
SCORES = [0.0, 0.25, 0.5, 0.75, 1.0, float("nan")]


def random_candidates(seed=0, groups=60, strings=False, **columns):
    """Groups of one to eight, with ties, equal completions, some of which differ in score, cut ones, and no score."""
    draw = np.random.default_rng(seed)
    names = draw.permutation(10 * groups)[:groups].tolist()
    rows = [f"x{name}" if strings else name for name in names for _ in range(draw.integers(1, 9))]
    text = ["".join(draw.choice(list("ab"), size=draw.integers(1, 4))) + "~" * (draw.random() < 0.2) for _ in rows]
    reward = draw.choice(SCORES, size=len(rows), p=[0.2, 0.15, 0.15, 0.15, 0.2, 0.15])
    return candidates(text, rows, **{"scores.reward": reward}, **columns)


def run(op: Op, table, round=0, seed=0, previous=None):
    """Return what an op makes of a table, and what it counted."""
    context = Context(POOL, round=round, seed=seed, previous=previous)
    made = op.at(round, {})(table, context)
    return made, context.tally.values()


def grouped(table):
    """The rows of each group as dictionaries, in order."""
    groups = {}
    for row in table.to_pylist():
        groups.setdefault(row["group"], []).append(row)
    return groups


def usable(rows, truncated, score="scores.reward"):
    """The rows of a group that may be compared: scored, not dropped, and each completion once."""
    kept, seen = [], set()
    for row in rows:
        ids = tuple(row["completion_ids"])
        if np.isnan(row[score]) or (truncated == "drop" and row["finish"] == "length") or ids in seen:
            continue
        seen.add(ids)
        kept.append(row)
    return kept


def may_win(row, truncated):
    return row["finish"] == "stop" or truncated == "keep"


def shuffled_groups(table, seed=1):
    """The same groups in another order, each with its rows in order."""
    parts = [table.filter(pa.compute.equal(table["group"], name)) for name in dict.fromkeys(table["group"].to_pylist())]
    return pa.concat_tables([parts[place] for place in np.random.default_rng(seed).permutation(len(parts))])


def check_order_of_groups(op, table):
    """Groups give the same rows in whatever order they come."""
    made, counts = run(op, table)
    again, counts_again = run(op, shuffled_groups(table))
    assert made.num_rows > 0
    assert {name: repr(rows) for name, rows in grouped(made).items()} == {
        name: repr(rows) for name, rows in grouped(again).items()
    }
    assert counts == {name: counts_again[name] if isinstance(counts[name], int) else counts[name] for name in counts}


def check_pairs(made, table):
    """Every pair holds two different candidates of its group, their tokens untouched."""
    known = grouped(table)
    for pair in made.to_pylist():
        rows = known[pair["group"]]
        assert pair["chosen_ids"] != pair["rejected_ids"]
        for side in ("chosen", "rejected"):
            assert any(row["completion_ids"] == pair[f"{side}_ids"] and row["text"] == pair[side] for row in rows)
    assert made.schema.field("weight").type == pa.float32()
    assert not {"candidate", "text", "completion_ids", "finish"} & set(made.column_names)


def abstaining(*names, prompts=8):
    """Completions for the conformance suite whose scorers abstain on single rows and on a whole group."""
    table = completions(names, prompts)
    for shift, name in enumerate(names):
        score = read(table, name).copy()
        score[[2 + shift, 10, 16, 17, 18, 19]] = np.nan
        table = write(table, **{name: score})
    return table


def completions_with_all():
    """Completions for the conformance suite with all that some builder asks for."""
    table = abstaining("scores.correct")
    rows = table.num_rows
    return write(
        table,
        gold=pa.array(["g"] * (rows - 1) + [None]),
        gold_ids=pa.array([[103, 2]] * (rows - 1) + [None], pa.list_(pa.int32())),
        context=["positive", "negative", "other", "negative"] * (rows // 4),
        hinted=np.arange(rows) % 4 == 1,
    )
