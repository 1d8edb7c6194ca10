"""Checks of ops: the declared columns are true."""

import pyarrow as pa

from lit_iterative.columns import Array, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.testing.case import OpCase
from lit_iterative.testing.expect import expect, expect_same, fail
from lit_iterative.testing.fixtures import snapshot

SCOPES = ("row", "group", "global")


def check_scope(case: OpCase) -> None:
    """An op has one of the three scopes, and its name is a name."""
    op = case.op
    expect(op.scope in SCOPES, f"{op.name} has the scope {op.scope!r}; it must be one of {SCOPES}.")
    expect(op.name.isidentifier(), f"The name {op.name!r} cannot stand in logs. Use letters, digits and '_'.")


def check_required_columns(case: OpCase) -> None:
    """Where a required column is missing, an op says so."""
    op = case.op
    for column in set(op.requires) - {"id"}:  # every table has ids
        expect(column in case.table.column_names, f"The table lacks {column!r}, which {op.name} requires.")
        message = _refusal(case, case.table.drop_columns([column]))
        expect(
            message is not None and column in message,
            f"{op.name} declares that it requires {column!r}, but without it "
            f"{'works all the same' if message is None else f'says {message!r}'}. Take it out of requires, or read it "
            "with lit_iterative.columns.read.",
        )


def _refusal(case: OpCase, table: pa.Table) -> str | None:
    try:
        case.op(case.as_given(table), case.context())
    except (DataError, PipelineError) as error:
        return str(error)
    return None


def check_no_other_columns(case: OpCase) -> None:
    """An op needs no column that it does not declare."""
    op = case.op
    columns = list(dict.fromkeys(["id", *op.requires]))
    try:
        case.run(case.table.select(columns))
    except (DataError, KeyError) as error:
        fail(f"{op.name} declares that {columns} is enough, but fails: {error}. Add what it reads to requires.")


def check_provided_columns(case: OpCase) -> None:
    """After an op, its columns are there, those it consumes are gone, and no other is new."""
    op = case.op
    before = set(case.as_given(case.table).column_names) - {"row"}
    for round in (0, 1):
        after = case.run(case.table, round).column_names
        expect(len(after) == len(set(after)), f"{op.name} returns a column twice: {sorted(after)}.")
        wanted = (before - set(op.consumes)) | set(op.provides)
        new, lost = sorted(set(after) - wanted), sorted(wanted - set(after))
        expect(not new, f"{op.name} returns {new}, which it does not declare. Add them to provides, or drop them.")
        expect(not lost, f"{op.name} does not return {lost}. Return them, or take them out of provides.")


def check_other_columns_stay(case: OpCase) -> None:
    """An op leaves the columns alone that it neither provides nor consumes."""
    op = case.op
    for round in (0, 1):
        after, origin = case.trace(case.table, round)
        touched = {*op.provides, *op.consumes}
        names = [name for name in after.column_names if name not in touched]
        before = case.as_given(case.table).select(names).take(pa.array(origin))
        expect_same(after.select(names), before, f"{op.name} changes columns that it does not declare", exact=True)


def check_input_unchanged(case: OpCase) -> None:
    """An op changes neither the table that it is given nor itself."""
    given = case.as_given(case.table)
    before = snapshot(given)
    described = repr(case.op)
    case.op(given, case.context())
    expect(snapshot(given) == before, f"{case.op.name} changes the table that it is given. Write to a copy.")
    expect(repr(case.op) == described, f"{case.op.name} changes itself. Keep what must last in context.memory.")


def check_group_whole(case: OpCase) -> None:
    """A group op finds the column ``group``."""
    if case.op.scope == "group":
        expect("group" in case.op.requires, f"{case.op.name} has the scope 'group' but does not require 'group'.")


def shuffled(table: pa.Table, order: Array) -> pa.Table:
    """Return the rows in another order."""
    return table.take(pa.array(order))


def renamed_ids(table: pa.Table) -> pa.Table:
    """Return the table with strings as ids."""
    return write(table, id=pa.array([f"item-{value}" for value in table.column("id").to_pylist()]))
