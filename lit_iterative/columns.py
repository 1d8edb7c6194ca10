"""Read and write numeric columns of an Arrow table, the currency between ops.

A table of candidates is a plain ``pyarrow.Table``. A column of vectors, such as class probabilities,
is a fixed-size list, so that it converts to a matrix without copying.
"""

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lit_iterative.errors import DataError

Array = npt.NDArray[Any]


def read(table: pa.Table, name: str) -> Array:
    """Return a column as an array.

    Args:
        table: A table with ``rows`` rows.
        name: Name of the column.

    Returns:
        Shape ``(rows,)`` for a plain column, ``(rows, width)`` for a column of vectors.

    Raises:
        DataError: If the table has no such column, or if the column has empty cells.

    Example:
        >>> table = write(pa.table({"id": [1, 2]}), probs=np.eye(2, dtype=np.float32))
        >>> read(table, "probs").shape
        (2, 2)
    """
    if name not in table.column_names:
        raise DataError(
            f"The table has no column {name!r}; it has {table.column_names}. Put an op that provides it before."
        )
    column = table.column(name)
    # one chunk is read where it lies; none still has a type, and so a width
    column = (
        column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays([pa.array([], column.type), *column.chunks])
    )
    if column.null_count:
        raise DataError(
            f"Column {name!r} has {column.null_count} empty cells of {len(column)}; fill or drop them first."
        )
    if pa.types.is_fixed_size_list(column.type):
        return cast(Array, column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size))
    return cast(Array, column.to_numpy(zero_copy_only=False))


def classes_of(table: pa.Table) -> Array | None:
    """Return the class of every row, shape ``(rows,)``: its label, or the largest part of a soft label.

    There is none where labels are no classes of rows: one for every pixel, or a sequence.
    """
    if "label" not in table.column_names:
        return None
    label = read(table, "label")
    if label.ndim == 2:
        return label.argmax(axis=1) if label.dtype.kind == "f" else None
    return None if label.dtype.kind == "O" else label


def write(table: pa.Table, **columns: Any) -> pa.Table:
    """Return the table with the columns added, or replaced where the name exists.

    Args:
        table: A table with ``rows`` rows.
        columns: Arrays of shape ``(rows,)`` or ``(rows, width)``, or Arrow arrays.

    Returns:
        A new table; the given one is unchanged.

    Example:
        >>> write(pa.table({"id": [7]}), label=np.array([3])).to_pylist()
        [{'id': 7, 'label': 3}]
    """
    for name, values in columns.items():
        array = to_arrow(values)
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, array)
        else:
            table = table.append_column(name, array)
    return table


def to_arrow(values: Any) -> pa.Array:
    """Turn an array of one or two dimensions into an Arrow array."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    array = np.ascontiguousarray(values)
    if array.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), array.shape[1])
    return pa.array(array)


def keep(table: pa.Table, mask: Array) -> pa.Table:
    """Return the rows for which ``mask``, of shape ``(rows,)``, is true, in their order.

    Example:
        >>> keep(pa.table({"id": [1, 2, 3]}), np.array([True, False, True]))["id"].to_pylist()
        [1, 3]
    """
    return table.filter(pa.array(np.asarray(mask, dtype=bool)))


def look_up(keys: Array, known: Array) -> tuple[Array, Array]:
    """Find each key among the known ones.

    Args:
        keys: Values to find, shape ``(rows,)``.
        known: Unique values, shape ``(known_rows,)``.

    Returns:
        The position in ``known`` of each key (0 where absent) and whether it was found, each ``(rows,)``.

    Example:
        >>> look_up(np.array([5, 9]), np.array([9, 4]))
        (array([0, 0]), array([False,  True]))
    """
    if len(known) == 0:
        return np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=bool)
    order = np.argsort(known, kind="stable")
    position = np.searchsorted(known, keys, sorter=order).clip(max=len(known) - 1)
    index = order[position]
    found = known[index] == keys
    return np.where(found, index, 0), found
