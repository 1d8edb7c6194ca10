"""Read, write and compare columns of token ids, and find the groups of a table of candidates."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read
from lit_iterative.errors import DataError
from lit_iterative.sequences import Tokens

#: The type of a column of token ids.
IDS = pa.list_(pa.int32())


def int_lists(rows: Iterable[Tokens]) -> pa.Array:
    """Return rows of token ids as a column, ``list<int32>``.

    Example:
        >>> int_lists([[5, 2], []]).type
        ListType(list<item: int32>)
    """
    return pa.array([list(row) for row in rows], IDS)


def nested(values: pa.Array, lengths: Sequence[int] | Array) -> pa.ListArray:
    """Return values as a column of lists, one after another.

    Args:
        values: Those of all rows.
        lengths: How many each row has, ``(rows,)``.

    Example:
        >>> nested(pa.array(["a", "b", "c"]), [2, 0, 1]).to_pylist()
        [['a', 'b'], [], ['c']]
    """
    ends = np.cumsum([0, *lengths])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values)


def nested_ids_of(table: pa.Table, name: str) -> pa.ListArray:
    """Return a column of which each cell has several rows of token ids, ``list<list<int32>>``.

    Raises:
        DataError: If the table has no such column, it holds something else, or a cell is empty.

    Example:
        >>> nested_ids_of(pa.table({"ranked_ids": [[[5, 2], [2]]]}), "ranked_ids").value_lengths().to_pylist()
        [2]
    """
    column = column_of(table, name)
    _refuse_empty(column, name)
    kind = column.type
    if not pa.types.is_null(kind) and not (pa.types.is_list(kind) and _holds_ids(kind.value_type)):
        raise DataError(
            f"Column {name!r} has type {kind}, but lists of token ids are needed. Put a builder such as Ranking() "
            "before."
        )
    return column.cast(pa.list_(IDS))


def _holds_ids(kind: pa.DataType) -> bool:
    """Tell whether cells of a type are empty or lists of integers."""
    return bool(pa.types.is_null(kind) or (pa.types.is_list(kind) and pa.types.is_integer(kind.value_type)))


def ids_of(table: pa.Table, name: str) -> list[list[int]]:
    """Return a column of token ids as lists.

    Raises:
        DataError: If the table has no such column, it holds no lists of integers, or a cell is empty.

    Example:
        >>> ids_of(pa.table({"completion_ids": int_lists([[5, 2], []])}), "completion_ids")
        [[5, 2], []]
    """
    return cast(list[list[int]], _lists(table, name).to_pylist())


def lengths_of(table: pa.Table, name: str) -> Array:
    """Return how many tokens each row of a column has, shape ``(rows,)``.

    Raises:
        DataError: If the table has no such column, it holds no lists of integers, or a cell is empty.

    Example:
        >>> lengths_of(pa.table({"completion_ids": int_lists([[5, 2], []])}), "completion_ids")
        array([2, 0])
    """
    offsets: Array = _lists(table, name).offsets.to_numpy()
    return np.diff(offsets.astype(np.int64))


def keys_of(table: pa.Table, name: str) -> list[Any]:
    """Return a value for every row of a column, of token ids or plain, that is equal where the rows are equal.

    Raises:
        DataError: If the table has no such column, it holds other lists than of integers, or a cell is empty.

    Example:
        >>> first, second, third = keys_of(pa.table({"ids": int_lists([[5, 2], [5], [5, 2]])}), "ids")
        >>> first == third, first == second
        (True, False)
    """
    if name in table.column_names and not pa.types.is_nested(table.schema.field(name).type):
        return cast(list[Any], read(table, name).tolist())
    lists = _lists(table, name)
    offsets = lists.offsets.to_numpy() * 4
    content = lists.values.to_numpy(zero_copy_only=False).tobytes()
    return [content[start:end] for start, end in pairwise(offsets.tolist())]


def column_of(table: pa.Table, name: str) -> pa.Array:
    """Return a column of any type in one piece.

    Raises:
        DataError: If the table has no such column.

    Example:
        >>> column_of(pa.table({"final": ["19", None]}), "final").null_count
        1
    """
    if name not in table.column_names:
        raise DataError(
            f"The table has no column {name!r}; it has {table.column_names}. Put an op that provides it before."
        )
    column = table.column(name)
    return pa.concat_arrays([pa.array([], column.type), *column.chunks])


def lists_of(table: pa.Table, name: str) -> pa.ListArray:
    """Return a column of token ids, ``list<int32>``, in which cells may be empty.

    Raises:
        DataError: If the table has no such column, or it holds no lists of integers.

    Example:
        >>> lists_of(pa.table({"gold_ids": [[5, 2], None]}), "gold_ids").null_count
        1
    """
    column = column_of(table, name)
    kind = column.type
    if not _holds_ids(kind):
        raise DataError(
            f"Column {name!r} has type {kind}, but token ids are lists of integers. Write the column with "
            "tokens.int_lists."
        )
    return column.cast(IDS)


def strings_of(table: pa.Table, name: str) -> list[str | None]:
    """Return a column of texts, ``None`` where a cell is empty.

    Raises:
        DataError: If the table has no such column, or it holds no texts.

    Example:
        >>> strings_of(pa.table({"final": ["19", None]}), "final")
        ['19', None]
    """
    column = column_of(table, name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not any(holds(column.type) for holds in (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)):
        raise DataError(f"Column {name!r} has type {column.type}, but texts are needed. Name a column of strings.")
    return cast(list[str | None], column.to_pylist())


def texts_of(table: pa.Table, name: str) -> list[str]:
    """Return a column of texts.

    Raises:
        DataError: If the table has no such column, it holds no texts, or a cell is empty.

    Example:
        >>> texts_of(pa.table({"text": ["a", "b"]}), "text")
        ['a', 'b']
    """
    _refuse_empty(column_of(table, name), name)
    return cast(list[str], strings_of(table, name))


def spans(table: pa.Table) -> list[tuple[int, int]]:
    """Return where the rows of every group begin and end.

    Raises:
        DataError: If rows of one group stand apart.

    Example:
        >>> spans(pa.table({"group": ["a", "a", "b"]}))
        [(0, 2), (2, 3)]
    """
    group = read(table, "group")
    if not len(group):
        return []
    heads = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]])).tolist()
    names = group[heads].tolist()
    if len(set(names)) < len(names):
        twice = [name for name, times in Counter(names).items() if times > 1]
        raise DataError(
            f"The rows of {len(twice)} groups stand apart, for example of {twice[:3]}. Sort the table by 'group'; an "
            "op before this one changed the order of the rows."
        )
    return list(pairwise([*heads, len(group)]))


def repeats(keys: Sequence[Any]) -> Array:
    """Return a mask of the keys that came before, shape ``(rows,)``.

    Example:
        >>> repeats(["a", "b", "a"]).tolist()
        [False, False, True]
    """
    first = {key: place for place, key in reversed(list(enumerate(keys)))}
    return np.array([first[key] != place for place, key in enumerate(keys)], dtype=bool)


def _lists(table: pa.Table, name: str) -> pa.ListArray:
    column = lists_of(table, name)
    _refuse_empty(column, name)
    return column


def _refuse_empty(column: pa.Array, name: str) -> None:
    if column.null_count:
        raise DataError(
            f"Column {name!r} has {column.null_count} empty cells of {len(column)}; fill or drop these rows first."
        )
