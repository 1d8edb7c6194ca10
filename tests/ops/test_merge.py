"""Merges, against loops over dictionaries, with rows that went through Parquet as in a run."""

import math
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lit_iterative.columns import read
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Append, Blend, Context, EditInPlace, KeepIfBetter, Linear, Merge, Replace
from lit_iterative.ops.op import resolve
from lit_iterative.ops.testing import example
from lit_iterative.pool import Pool

SCORE = "scores.confidence"
MERGES = [Replace(), Append(), Append(2), EditInPlace(), EditInPlace(add=True), KeepIfBetter(), Blend(0.25)]


def context_of(round=3) -> Context:
    return Context(Pool(range(50), 1), round=round)


def rows_of(ids, round, soft=False, seed=None) -> pa.Table:
    """Return rows as a round leaves them."""
    draw = np.random.default_rng(round if seed is None else seed)
    ids = np.asarray(ids)
    probs = draw.dirichlet(np.ones(3), len(ids)).astype(np.float32)
    table = example(
        id=ids,
        probs=probs,
        label=probs if soft else probs.argmax(axis=1),
        weight=draw.random(len(ids)),
        round=np.full(len(ids), round, dtype=np.int32),
        **{SCORE: probs.max(axis=1)},
    )
    source = [f"{('Policy', 'EMA')[number % 2]}@{round}" for number in range(len(ids))]
    return table.append_column("source", pa.array(source, pa.string()).dictionary_encode())


def stored(table: pa.Table, rows_per_shard=4) -> pa.Table:
    """Return a table as the store gives it back: in shards, each with its own dictionary."""
    shards = []
    for start in range(0, max(1, table.num_rows), rows_per_shard):
        buffer = BytesIO()
        shard = table.slice(start, rows_per_shard)
        source = shard["source"].cast(pa.string()).combine_chunks().dictionary_encode()
        pq.write_table(shard.set_column(shard.column_names.index("source"), "source", source), buffer)
        shards.append(pq.read_table(BytesIO(buffer.getvalue())))
    return pa.concat_tables(shards)


def by_key(table: pa.Table) -> dict:
    return {row["id"]: row for row in table.to_pylist()}


def cases() -> list[tuple[pa.Table, pa.Table]]:
    draw = np.random.default_rng(7)
    sizes = [(6, 9), (12, 3), (1, 1), (5, 0), (0, 5), (0, 0)]
    found = []
    for soft in (False, True):
        for new, old in sizes:
            new_ids, old_ids = (np.sort(draw.permutation(15)[:size]) for size in (new, old))
            found.append((rows_of(new_ids, 3, soft), stored(rows_of(old_ids, 2, soft))))
        found.append((rows_of([1, 2], 3, soft), stored(rows_of([3, 4], 2, soft))))  # nothing in common
        found.append((rows_of([1, 2], 3, soft), stored(rows_of([1, 2], 2, soft))))  # all in common
    return found


def expect_append(new, old):
    return [row for _, row in sorted({**by_key(old), **by_key(new)}.items())]


def expect_edit(new, old):
    fresh = by_key(new)
    return [fresh.get(row["id"], row) for row in old.to_pylist()]


def expect_edit_and_add(new, old):
    there = set(by_key(old))
    return expect_edit(new, old) + [row for id, row in sorted(by_key(new).items()) if id not in there]


def expect_better(new, old):
    result = by_key(old)
    for id, row in by_key(new).items():
        if id not in result or row[SCORE] > result[id][SCORE]:
            result[id] = row
    return [row for _, row in sorted(result.items())]


def expect_blend(new, old, alpha=0.25):
    result = by_key(old)
    for id, row in by_key(new).items():
        if id in result:
            mixed = [alpha * b + (1 - alpha) * a for a, b in zip(row["probs"], result[id]["probs"], strict=True)]
            probs = [float(np.float32(p)) for p in mixed]
            label = probs if isinstance(row["label"], list) else probs.index(max(probs))
            row = {**row, "probs": probs, "label": label}
        result[id] = row
    return [row for _, row in sorted(result.items())]


ORACLES = [
    (Replace(), lambda new, old: new.to_pylist()),
    (Append(), expect_append),
    (EditInPlace(), expect_edit),
    (EditInPlace(add=True), expect_edit_and_add),
    (KeepIfBetter(), expect_better),
    (Blend(0.25), expect_blend),
]


@pytest.mark.parametrize(
    ("merge", "oracle"), ORACLES, ids=lambda value: repr(value) if isinstance(value, Merge) else ""
)
def test_rows_are_those_of_the_loop(merge, oracle):
    for new, old in cases():
        assert merge(new, old, context_of()).to_pylist() == oracle(new, old)


@pytest.mark.parametrize("merge", MERGES, ids=repr)
def test_types_stay_and_bytes_repeat(merge):
    for new, old in cases():
        results = [merge(new, rows, context_of()) for rows in (old, old.combine_chunks().unify_dictionaries())]
        assert {field.name: field.type for field in results[0].schema} == {f.name: f.type for f in new.schema}
        files = [BytesIO(), BytesIO()]
        for result, file in zip(results, files, strict=True):
            pq.write_table(result.combine_chunks(), file)
        assert files[0].getvalue() == files[1].getvalue()


@pytest.mark.parametrize("merge", MERGES, ids=repr)
def test_the_first_round_is_what_was_made(merge):
    new = rows_of([2, 5, 7], 0)
    assert merge(new, None, context_of(0)).to_pylist() == new.to_pylist()


@pytest.mark.parametrize("merge", [Append(), KeepIfBetter(), Blend()], ids=repr)
@pytest.mark.parametrize("old", [None, stored(rows_of([8, 1, 3], 2))])
def test_rows_come_by_ascending_id(merge, old):
    ids = read(merge(rows_of([9, 3, 0], 3), old, context_of()), "id")
    assert ids.tolist() == sorted(ids.tolist())


def test_names_are_ids_too():
    new, old = rows_of(["b", "d"], 3), stored(rows_of(["a", "b", "c"], 2))
    for merge, oracle in ORACLES:
        assert merge(new, old, context_of()).to_pylist() == oracle(new, old)


def test_edited_rows_keep_their_place():
    new, old = rows_of([1, 9, 4, 0], 3), stored(rows_of([8, 1, 3, 0], 2))
    table = EditInPlace(add=True)(new, old, context_of())
    assert read(table, "id").tolist() == [8, 1, 3, 0, 4, 9]
    assert read(table, "round").tolist() == [2, 3, 2, 3, 3, 3]


@pytest.mark.parametrize(("max_age", "left"), [(1, [2, 3]), (2, [1, 2, 3]), (None, [0, 1, 2, 3])])
def test_old_rows_leave_when_their_time_is_up(max_age, left):
    data = None
    for round in range(4):
        data = Append(max_age)(rows_of([round], round), None if data is None else stored(data), context_of(round))
    assert read(data, "id").tolist() == left


def test_append_keeps_all_rows_of_an_input_that_are_new():
    new, old = rows_of([4, 2, 4], 3), stored(rows_of([4, 1, 1], 2))
    table = Append()(new, old, context_of())
    assert read(table, "id").tolist() == [1, 1, 2, 4, 4]
    assert read(table, "round").tolist() == [2, 2, 3, 3, 3]
    assert read(table, "weight")[3:].tolist() == read(new, "weight")[[0, 2]].tolist()


@pytest.mark.parametrize(
    ("score", "before", "above", "winner"),
    [
        (0.9, 0.5, True, "new"),
        (0.5, 0.9, True, "old"),
        (0.5, 0.5, True, "old"),
        (0.5, 0.5, False, "old"),
        (0.9, 0.5, False, "old"),
        (0.5, 0.9, False, "new"),
        (math.nan, 0.5, True, "old"),
        (math.nan, 0.5, False, "old"),
        (0.5, math.nan, True, "new"),
        (0.5, math.nan, False, "new"),
        (math.nan, math.nan, True, "old"),
    ],
)
def test_the_better_row_wins_and_the_old_of_equals(score, before, above, winner):
    new, old = (example(label=[label], **{"scores.margin": [value]}) for label, value in ((1, score), (0, before)))
    table = KeepIfBetter("scores.margin", keep_above=above)(new, old, context_of())
    assert read(table, "label").tolist() == [winner == "new"]


def test_rounds_of_blending_make_a_moving_average():
    probs = np.random.default_rng(0).dirichlet(np.ones(4), 6).astype(np.float32)
    data, expected = None, probs[0].astype(float)
    for round, row in enumerate(probs):
        expected = expected if round == 0 else 0.6 * expected + 0.4 * row
        data = Blend(0.6)(example(probs=row[None], label=[int(row.argmax())]), data, context_of(round))
        np.testing.assert_allclose(read(data, "probs")[0], expected, rtol=1e-6)
        assert read(data, "label").tolist() == [int(np.argmax(read(data, "probs")[0]))]


@pytest.mark.parametrize(("alpha", "index"), [(0.0, 0), (1.0, 1)])
def test_blending_all_or_nothing(alpha, index):
    tables = rows_of([1, 2], 3), rows_of([1, 2], 2)
    probs = read(Blend(alpha)(*tables, context_of()), "probs")
    np.testing.assert_array_equal(probs, read(tables[index], "probs"))


def test_blending_without_probabilities_says_how_to_keep_them():
    new = rows_of([1], 3).drop_columns(["probs"])
    for old in (None, new):
        with pytest.raises(DataError, match=r"HardLabels\(keep_probs=True\)"):
            Blend()(new, old, context_of())


@pytest.mark.parametrize("merge", MERGES[1:], ids=repr)
def test_other_columns_are_refused_with_the_remedy(merge):
    new, old = rows_of([1, 2], 3), rows_of([2, 3], 2)
    extra = old.append_column("scores.margin", pa.array([0.0, 0.0], pa.float32()))
    with pytest.raises(DataError, match=r"'scores.margin' \(float before, absent now\).*merge: Replace"):
        merge(new, extra, context_of())
    with pytest.raises(DataError, match=r"'weight' \(absent before, float now\)"):
        merge(new, old.drop_columns(["weight"]), context_of())
    with pytest.raises(DataError, match=r"'label' \(fixed_size_list.* before, int64 now\)"):
        merge(new, rows_of([2, 3], 2, soft=True), context_of())


@pytest.mark.parametrize("merge", MERGES[1:], ids=repr)
def test_the_order_of_columns_plays_no_part(merge):
    new, old = rows_of([1, 2], 3), stored(rows_of([2, 3], 2))
    reordered = old.select(old.column_names[::-1])
    assert merge(new, reordered, context_of()).equals(merge(new, old, context_of()))


@pytest.mark.parametrize("merge", MERGES[3:], ids=repr)
def test_two_rows_of_one_input_are_refused(merge):
    once, twice = rows_of([1, 2], 3), rows_of([2, 1, 2], 2)
    for new, old in ((once, twice), (twice, once)):
        with pytest.raises(DataError, match=r"\[2\]"):
            merge(new, old, context_of())


@pytest.mark.parametrize(("kind", "value"), [(Append, 0), (Append, -1), (Blend, -0.1), (Blend, 1.1), (Blend, math.nan)])
def test_parameters_out_of_range_are_refused(kind, value):
    with pytest.raises(PipelineError, match=kind.__name__):
        kind(value)


def test_parameters_follow_schedules():
    assert resolve(Blend(Linear(0.0, 1.0, rounds=2)), 1, {}) == Blend(0.5)
    new, old = rows_of([1], 3), rows_of([2], 1)
    aging = resolve(Append(Linear(3, 1, rounds=4)), 2, {})
    assert read(aging(new, old, context_of()), "id").tolist() == [1, 2]
    aging = resolve(Append(Linear(3, 1, rounds=4)), 4, {})
    assert read(aging(new, old, context_of()), "id").tolist() == [1]


def test_a_merge_names_the_columns_it_needs():
    assert KeepIfBetter("scores.margin").requires == ("id", "scores.margin")
    assert set(Blend().requires) == {"id", "probs", "label"}
