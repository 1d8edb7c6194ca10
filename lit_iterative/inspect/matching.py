"""Match the inputs of two rounds by id, with memory that does not grow with the rows.

Both rounds are read once, shard after shard, and spilled into files by a hash of the id; then the two files of each
part are small enough to be matched in memory (a hash join in the manner of Kitsuregawa et al., 1983).
"""

import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, look_up, read
from lit_iterative.rounds.version import Version

ROWS_OF_A_PART = 1 << 16

#: What is kept of a shard, and of how many rows stand before it: a table with ``id`` and columns of numbers.
Reduce = Callable[[pa.Table, int], pa.Table]
Join = Callable[[pa.Table], pa.Table]


def first_of_each(table: pa.Table) -> pa.Table:
    """Return the first row of each id, in the order of the rows."""
    _, first = np.unique(read(table, "id"), return_index=True)
    return table if len(first) == table.num_rows else table.take(pa.array(np.sort(first)))


def sum_of_each(table: pa.Table) -> pa.Table:
    """Return a row for each id, with the sum of ``content`` over its rows."""
    ids, place = np.unique(read(table, "id"), return_inverse=True)
    content = np.zeros(len(ids), np.int64)
    np.add.at(content, place, read(table, "content"))
    return pa.table({"id": ids, "content": content})


@dataclass(frozen=True)
class Match:
    """The inputs of one part, a row for each id.

    Args:
        before: Rows of the first round.
        after: Rows of the second round.
        both: Position in ``before`` of each row of ``after``, shape ``(rows,)``; -1 where it is new.
        dropped: Positions in ``before`` of the inputs that are not in ``after``.
    """

    before: pa.Table
    after: pa.Table
    both: Array
    dropped: Array


def match(
    first: Version,
    second: Version,
    rows: int,
    columns: list[str],
    reduce: Reduce,
    join: Join = first_of_each,
) -> Iterator[Match]:
    """Yield all inputs of two rounds, matched by id, part after part.

    Args:
        first: A round.
        second: Another.
        rows: Rows of the larger one, about.
        columns: Columns to read, ``id`` among them; those that a round lacks are left out.
        reduce: Turns a shard into what is kept of it; numbers only, and ``id``.
        join: Turns the rows of a part into one for each id.

    Raises:
        StoreError: If a shard is missing or damaged.
    """
    parts = -(-rows // ROWS_OF_A_PART) or 1
    with tempfile.TemporaryDirectory(prefix="lit-iterative-") as folder:
        schemas = [
            _spill(version, columns, reduce, parts, os.path.join(folder, side))
            for side, version in (("a", first), ("b", second))
        ]
        for part in range(parts):
            before, after = (
                join(_read(os.path.join(folder, f"{side}{part}"), schema))
                for side, schema in zip(("a", "b"), schemas, strict=True)
            )
            ids, old = read(after, "id"), read(before, "id")
            position, found = look_up(ids, old)
            _, stays = look_up(old, ids)
            yield Match(before, after, np.where(found, position, -1), np.flatnonzero(~stays))


def _spill(version: Version, columns: list[str], reduce: Reduce, parts: int, path: str) -> pa.Schema:
    """Write what is kept of every shard to the files of its parts; return its schema."""
    known = set(version.columns)
    shards = version.parts([name for name in columns if name in known])
    tables = _reduced(shards, reduce)
    first = next(tables)
    for table in chain([first], tables):
        part_of = parts_of(read(table, "id"), parts)
        order = np.argsort(part_of, kind="stable")
        ordered = table.cast(first.schema).take(pa.array(order))
        bounds = np.searchsorted(part_of[order], np.arange(parts + 1))
        for part in np.flatnonzero(np.diff(bounds)).tolist():
            with open(f"{path}{part}", "ab") as file, pa.ipc.new_stream(file, first.schema) as stream:
                stream.write_table(ordered.slice(bounds[part], bounds[part + 1] - bounds[part]))
    return first.schema


def _reduced(shards: Iterator[pa.Table], reduce: Reduce) -> Iterator[pa.Table]:
    start = 0
    for shard in shards:
        yield reduce(shard, start).replace_schema_metadata(None).combine_chunks()
        start += shard.num_rows


def _read(path: str, schema: pa.Schema) -> pa.Table:
    """Return a spilled file, which is one stream after another."""
    tables = [schema.empty_table()]
    if os.path.exists(path):
        with open(path, "rb") as file:
            end = os.path.getsize(path)
            while file.tell() < end:
                tables.append(pa.ipc.open_stream(file).read_all())
    return pa.concat_tables(tables)


def parts_of(ids: Array, parts: int) -> Array:
    """Return the part of each id, the same for the same id in any table.

    Example:
        >>> parts_of(np.array([3, 8, 3]), 1)
        array([0, 0, 0])
        >>> bool((parts_of(np.arange(9), 4) < 4).all()), parts_of(np.array(["a", "b", "a"]), 64).tolist()
        (True, [3, 57, 3])
    """
    if ids.dtype.kind in "iu":
        mixed = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # the golden ratio: spreads any stride
        part_of: Array = (mixed >> np.uint64(32)).astype(np.int64) % parts
        return part_of
    return np.fromiter((zlib.crc32(str(key).encode()) % parts for key in ids), np.int64, len(ids))
