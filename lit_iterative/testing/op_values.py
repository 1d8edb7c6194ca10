"""Checks of ops: any table gives a sane result, and always the same one."""

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import torch

from lit_iterative.columns import Array, read
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops.op import Op
from lit_iterative.testing.case import OpCase, pool_of_ids
from lit_iterative.testing.expect import expect, expect_same, is_float
from lit_iterative.testing.fixtures import snapshot
from lit_iterative.testing.op_columns import renamed_ids, shuffled
from lit_iterative.testing.tables import extremes, spoiled, with_gap

BAD_ROW = 7


def check_deterministic(case: OpCase) -> None:
    """The same table gives the same bytes, whatever the global random state, which stays as it was."""
    for round in (0, 1):
        results = []
        for seed in (1, 2):
            with _seeded(case.op, seed):
                results.append(snapshot(case.run(case.table, round)))
        expect(
            results[0] == results[1],
            f"{case.op.name} gives two results for a table. Draw from seeds.generator(context.seed, context.round, …).",
        )


@contextmanager
def _seeded(op: Op, seed: int) -> Iterator[None]:
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    drawn = _random_state()
    try:
        yield
        same = drawn == _random_state()
        expect(same or op.runs_model, f"{op.name} draws from the global random state, which belongs to the training.")
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


def _random_state() -> tuple[object, ...]:
    return random.getstate(), repr(np.random.get_state()), torch.get_rng_state().tolist()


def check_ignores_truth(case: OpCase) -> None:
    """Hidden labels of the pool, kept for diagnostics, do not change the result."""
    told = replace(case.context(), pool=replace(case.pool, truth=np.arange(len(case.pool)) % 3))
    results = [case.op(case.as_given(case.table), context) for context in (case.context(), told)]
    expect_same(results[1], results[0], f"{case.op.name} looks at the pool's hidden labels", exact=True)


def check_empty_table(case: OpCase) -> None:
    """A table without rows gives one without rows, with the columns and types of any other."""
    for round in (0, 1):
        full = case.run(case.table, round)
        with _strict():
            empty = case.run(case.table.slice(0, 0), round)
        expect_same(empty, full.slice(0, 0), f"{case.op.name} on a table without rows")


def check_one_row(case: OpCase) -> None:
    """A table of one row works, and has the columns and types of any other."""
    for round in (0, 1):
        full = case.run(case.table, round)
        for row in (0, BAD_ROW):
            with _strict():
                one = case.run(case.table.slice(row, 1), round)
            expect_same(one.slice(0, 0), full.slice(0, 0), f"{case.op.name} on a table of one row")


def check_extreme_values(case: OpCase) -> None:
    """Valid but extreme numbers raise nothing, warn of nothing, and give finite numbers.

    A column that holds NaN after the op on the ordinary table may hold it here too: there NaN means something.
    """
    usual = [case.run(case.table, round) for round in (0, 1)]
    for name, table in extremes(case.table):
        for round in (0, 1):
            with _strict():
                made = case.run(table, round)
            for column in case.op.provides:
                if is_float(made.schema.field(column).type):
                    bad = np.isinf if np.isnan(read(usual[round], column)).any() else _not_finite
                    none = not bad(read(made, column)).any()
                    expect(none, f"{case.op.name} on {name} gives NaN or infinity in {column!r}. Clamp its input.")


def _not_finite(values: Array) -> Array:
    return ~np.isfinite(values)


@contextmanager
def _strict() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("error")
        yield


def check_nan(case: OpCase) -> None:
    """NaN in a column that an op requires is refused, or its row is dropped, or it stays visible as NaN.

    What must not happen is that a row is chosen or labelled because of it, or that it costs all other rows. A column
    of the case's table that already holds NaN is left alone: there NaN means something, such as an abstaining score.
    """
    op = case.op
    columns = list(dict.fromkeys(["id", *op.requires]))
    clean, _ = case.trace(case.table)
    for column, table in spoiled(case.table.select(columns), BAD_ROW):
        if np.isnan(read(case.table, column)).any():
            continue
        try:
            with np.errstate(all="ignore"):
                made, origin = case.trace(table)
        except (DataError, PipelineError):
            continue
        if _chooses_nothing(case, made):
            continue
        survivors = made.num_rows > 0 or clean.num_rows <= 1
        expect(survivors, f"{op.name} drops every row because of one NaN in {column!r}. Refuse it with a DataError.")
        kept = made.take(pa.array(np.flatnonzero(origin == BAD_ROW)))
        expect(
            kept.num_rows == 0 or _shows_nan(kept, op.provides),
            f"{op.name} keeps a row whose {column!r} is NaN, and nothing shows it. Drop the row, or refuse it with a "
            "DataError.",
        )


def _chooses_nothing(case: OpCase, made: pa.Table) -> bool:
    """Tell whether the op hands on all rows as they are, so that no row is kept because of anything."""
    return made.num_rows == case.table.num_rows and not case.op.provides


def _shows_nan(rows: pa.Table, columns: tuple[str, ...]) -> bool:
    floats = [name for name in columns if is_float(rows.schema.field(name).type)]
    return any(np.isnan(read(rows, name)).any() for name in floats)


def check_empty_cells(case: OpCase) -> None:
    """An empty cell in a column that an op requires is refused, or its row is dropped, or it stays visible as NaN.

    A column of the case's table that already has empty cells is left alone: there they mean something, such as a
    completion without an answer.
    """
    op = case.op
    for column in op.requires:
        if case.table.column(column).null_count:
            continue
        table = with_gap(case.table, column, BAD_ROW)
        try:
            made, origin = case.trace(table)
        except (DataError, PipelineError):
            continue
        if _chooses_nothing(case, made):
            continue
        kept = made.take(pa.array(np.flatnonzero(origin == BAD_ROW)))
        expect(
            kept.num_rows == 0 or _shows_nan(kept, op.provides),
            f"{op.name} keeps a row whose {column!r} is empty, and nothing shows it. Read it with columns.read.",
        )


def check_string_ids(case: OpCase) -> None:
    """Ids may be strings."""
    table = renamed_ids(case.table)
    ids = np.unique(read(table, "id").astype(str))
    named = OpCase(case.op, table, None if case.ledger is None else renamed_ids(case.ledger))
    named.__dict__["pool"] = pool_of_ids(ids, case.item)
    wanted = _types_beside_ids(case.run(case.table))
    for round in (0, 1):
        found = _types_beside_ids(named.run(table, round))
        expect(found == wanted, f"{case.op.name} returns other types where ids are strings: {found}, not {wanted}.")


def _types_beside_ids(table: pa.Table) -> dict[str, pa.DataType]:
    return {field.name: field.type for field in table.schema if field.name not in ("id", "group")}  # a group is an id


def check_row_order(case: OpCase) -> None:
    """The order of the rows does not matter: not to a row op, and not to a global one either."""
    if case.op.scope == "group":
        return
    order = np.random.default_rng(3).permutation(case.table.num_rows)
    for round in (0, 1):
        made, origin = case.trace(case.table, round)
        again, place = case.trace(shuffled(case.table, order), round)
        back = order[place]
        expect(
            sorted(back.tolist()) == sorted(origin.tolist()),
            f"{case.op.name} keeps other rows when the table is in another order. Break ties by id.",
        )
        wanted, found = (shuffled(t, np.argsort(o, kind="stable")) for t, o in ((made, origin), (again, back)))
        expect_same(found, wanted, f"{case.op.name} in another order of rows")


def check_shards(case: OpCase) -> None:
    """A row or group op gives the same rows however the table is cut into shards, an empty one among them."""
    if case.op.scope == "global":
        return
    whole = case.run(case.table)
    cuts = _cuts(case.table)
    shards = [case.table.slice(start, end - start) for start, end in pairwise(cuts)]
    parts = list(case.op.map(shards, case.context()))
    expect(len(parts) == len(shards), f"{case.op.name}.map() returns {len(parts)} tables for {len(shards)} shards.")
    for part in parts:
        expect_same(part.slice(0, 0), whole.slice(0, 0), f"{case.op.name} on a shard")
    expect_same(pa.concat_tables(parts), whole, f"{case.op.name} on shards")


def _cuts(table: pa.Table) -> list[int]:
    """Return where to cut: at two places, and in one of them twice, never within a group."""
    cuts = [0, 5, 5, 11, table.num_rows]
    if "group" in table.column_names:
        group = read(table, "group")
        heads = np.concatenate([[0], np.flatnonzero(group[1:] != group[:-1]) + 1])
        cuts[1:-1] = [int(heads[min(np.searchsorted(heads, cut), len(heads) - 1)]) for cut in cuts[1:-1]]
    return cuts
