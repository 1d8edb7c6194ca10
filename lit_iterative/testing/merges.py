"""The suite for merges."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.merge import Merge
from lit_iterative.pool import Pool
from lit_iterative.testing import parts
from lit_iterative.testing.case import pool_of_ids
from lit_iterative.testing.expect import expect, expect_same
from lit_iterative.testing.fixtures import Past
from lit_iterative.testing.merge_rounds import check_merge_ranks, check_merge_restart
from lit_iterative.testing.scratch import scratch
from lit_iterative.testing.tables import candidates


@dataclass(frozen=True)
class MergeCase:
    """A merge and the rows of two rounds, some of whose inputs are in both.

    Args:
        merge: The merge, without schedules or with them resolved.
        rows: Rows as a pipeline makes them, with an ``id`` and all that the merge requires; an example of the usual
            columns when left out.
    """

    merge: Merge
    rows: pa.Table | None = None

    @cached_property
    def table(self) -> pa.Table:
        """The rows."""
        return candidates(self.merge.requires) if self.rows is None else self.rows

    @cached_property
    def new(self) -> pa.Table:
        """The rows of the second round."""
        return marked(self.table.slice(0, self.table.num_rows * 2 // 3), 1)

    @cached_property
    def old(self) -> pa.Table:
        """The rows of the first round: other values, in part of other inputs."""
        third, rows = self.table.num_rows // 3, self.table.num_rows
        moved = self.table.take(pa.array(np.roll(np.arange(rows), 5)))
        return marked(write(moved, id=self.table.column("id")).slice(third), 0)

    def context(self) -> Context:
        """Return the second round."""
        return Context(self.pool, round=1, previous=Past(0, self.old))

    @cached_property
    def pool(self) -> Pool:
        """The inputs."""
        return pool_of_ids(np.unique(read(self.table, "id")))

    def run(self, new: pa.Table, old: pa.Table | None) -> pa.Table:
        """Merge."""
        return self.merge(new, old, self.context())


MergeCheck = Callable[[MergeCase], None]


def marked(table: pa.Table, round: int) -> pa.Table:
    """Return rows with their round and their maker, as they come to a merge."""
    source = pa.array([f"Policy@{round}"] * table.num_rows, pa.string()).dictionary_encode()
    return write(table, round=np.full(table.num_rows, round, dtype=np.int32), source=source)


def check_is_part(case: MergeCase) -> None:
    """A merge is a frozen dataclass, described in primitives, that survives YAML and takes schedules."""
    parts.check_frozen(case.merge)
    parts.check_spec(case.merge)
    parts.check_yaml_round_trip(case.merge, Merge)
    parts.check_schedules(case.merge)


def check_example(case: MergeCase) -> None:
    """The example in the docstring of a merge executes."""
    parts.check_example(case.merge)


def check_required_columns(case: MergeCase) -> None:
    """A merge requires the ids, says so where another required column is missing, and needs no column else."""
    name = type(case.merge).__name__
    expect("id" in case.merge.requires, f"{name} does not require 'id'. Merges join rows by it.")
    columns = list(dict.fromkeys([*case.merge.requires, "round", "source"]))
    new, old = case.new.select(columns), case.old.select(columns)
    message = _refusal(case, new, old)
    expect(message is None, f"{name} declares that {columns} is enough, but fails: {message}. Complete its requires.")
    for column in set(case.merge.requires) - {"id"}:
        message = _refusal(case, new.drop_columns([column]), old.drop_columns([column]))
        expect(
            message is not None and column in message,
            f"{name} declares that it requires {column!r}, but without it "
            f"{'works all the same' if message is None else f'says {message!r}'}. Take it out of requires, or read it "
            "with lit_iterative.columns.read.",
        )


def _refusal(case: MergeCase, new: pa.Table, old: pa.Table) -> str | None:
    try:
        case.run(new, old)
    except (DataError, PipelineError, KeyError) as error:
        return str(error)
    return None


def check_inputs_unchanged(case: MergeCase) -> None:
    """A merge changes neither of its tables."""
    before = case.new.to_pydict(), case.old.to_pydict()
    case.run(case.new, case.old)
    same = before == (case.new.to_pydict(), case.old.to_pydict())
    expect(same, f"{type(case.merge).__name__} changes a table that it is given. Write to a copy.")


def check_deterministic(case: MergeCase) -> None:
    """The same tables give the same rows, in any order they come in."""
    name = type(case.merge).__name__
    first = case.run(case.new, case.old)
    expect_same(case.run(case.new, case.old), first, f"{name} gives two results for the same tables", exact=True)
    draw = np.random.default_rng(4)
    new, old = (t.take(pa.array(draw.permutation(t.num_rows))) for t in (case.new, case.old))
    expect_same(_sorted(case.run(new, old)), _sorted(first), f"{name} in another order of rows")


def _sorted(table: pa.Table) -> pa.Table:
    keys = list(zip(read(table, "id").tolist(), read(table, "round").tolist(), strict=True))
    return table.take(pa.array(sorted(range(len(keys)), key=keys.__getitem__), pa.int64()))


def check_columns(case: MergeCase) -> None:
    """A merge returns the columns and types of the new rows, in the first round and later."""
    name = type(case.merge).__name__
    wanted = case.new.slice(0, 0)
    for old in (None, case.old, case.old.slice(0, 0)):
        merged = case.run(case.new, old).slice(0, 0)
        expect_same(merged.select(sorted(merged.column_names)), wanted.select(sorted(wanted.column_names)), name)


def check_known_inputs(case: MergeCase) -> None:
    """A merge makes up no inputs."""
    known = set(read(case.new, "id").tolist()) | set(read(case.old, "id").tolist())
    for old in (None, case.old):
        unknown = set(read(case.run(case.new, old), "id").tolist()) - known
        expect(not unknown, f"{type(case.merge).__name__} returns the ids {sorted(unknown)}, which no row has.")


def check_small_tables(case: MergeCase) -> None:
    """No old rows, one new row, and no input in common all work."""
    name = type(case.merge).__name__
    first, last = case.new.slice(0, 1), case.old.slice(case.old.num_rows - 1)
    for new, old in ((case.new, case.old.slice(0, 0)), (first, None), (first, last), (first, case.old)):
        merged = case.run(new, old)
        expect(old is not None or merged.num_rows == new.num_rows, f"{name} loses rows in the first round.")


def check_string_ids(case: MergeCase) -> None:
    """Ids may be strings."""
    new, old = (
        write(table, id=pa.array([f"item-{value}" for value in table.column("id").to_pylist()]))
        for table in (case.new, case.old)
    )
    rows = case.run(case.new, case.old).num_rows
    found = case.run(new, old).num_rows
    expect(found == rows, f"{type(case.merge).__name__} returns {found} rows instead of {rows} where ids are strings.")


def check_ranks(case: MergeCase) -> None:
    """One rank and two commit the same bytes."""
    with scratch() as folder:
        check_merge_ranks(case.merge, case.table, case.pool, folder)


def check_restart(case: MergeCase) -> None:
    """A crash in place of any write, and a restart, commit the same bytes as no crash."""
    with scratch() as folder:
        check_merge_restart(case.merge, case.table, case.pool, folder)


#: Every check of a merge, by itself.
MERGE_CHECKS: tuple[MergeCheck, ...] = (
    check_is_part,
    check_example,
    check_required_columns,
    check_inputs_unchanged,
    check_deterministic,
    check_columns,
    check_known_inputs,
    check_small_tables,
    check_string_ids,
    check_ranks,
    check_restart,
)


def check_merge(merge: Merge, rows: pa.Table | None = None) -> None:
    """Run every check on a merge.

    Args:
        merge: The merge.
        rows: At least twelve rows with unique ids and all columns that it requires; an example of the usual columns
            when left out.

    Raises:
        ConformanceError: If the merge breaks a promise; the message names it and the remedy.

    Example:
        >>> from lit_iterative.ops import Replace
        >>> check_merge(Replace())
    """
    case = MergeCase(merge, rows)
    for check in MERGE_CHECKS:
        check(case)
