"""What a check says when it fails, and how tables are compared."""

from typing import NoReturn

import numpy as np
import pyarrow as pa
from pyarrow.compute import list_flatten, list_value_length

from lit_iterative.columns import read


class ConformanceError(AssertionError):
    """A part does not keep a promise that every part makes; the message says which and how to keep it."""


def expect(condition: object, message: str) -> None:
    """Fail unless the condition holds.

    Args:
        condition: What must be true.
        message: What was found, and the remedy.

    Raises:
        ConformanceError: If it does not hold.

    Example:
        >>> expect(1 + 1 == 2, "arithmetic")
    """
    if not condition:
        fail(message)


def fail(message: str) -> NoReturn:
    """Fail.

    Raises:
        ConformanceError: Always.
    """
    raise ConformanceError(message)


def expect_same(found: pa.Table, wanted: pa.Table, what: str, exact: bool = False) -> None:
    """Fail unless two tables have the same columns, types and rows.

    Args:
        found: One table.
        wanted: The other.
        what: The promise, as the start of the message.
        exact: Whether floats must agree in every bit, or to a relative 1e-5.

    Raises:
        ConformanceError: If they differ.

    Example:
        >>> expect_same(pa.table({"id": [1]}), pa.table({"id": [1]}), "A table differs from itself")
    """
    columns = _types(found), _types(wanted)
    expect(columns[0] == columns[1], f"{what}: columns {columns[0]} instead of {columns[1]}.")
    expect(found.num_rows == wanted.num_rows, f"{what}: {found.num_rows} rows instead of {wanted.num_rows}.")
    for name in found.column_names:
        left, right = found.column(name), wanted.column(name)
        about = _holds_floats(left.type) and not exact
        expect(_close(left, right) if about else _same(left, right), f"{what}: the column {name!r} differs.")


def is_float(kind: pa.DataType) -> bool:
    """Tell whether a column of this type holds floating-point numbers, plain or in vectors."""
    value = kind.value_type if pa.types.is_fixed_size_list(kind) else kind
    return bool(pa.types.is_floating(value))


def _types(table: pa.Table) -> dict[str, str]:
    return {field.name: str(field.type) for field in table.schema}


def _holds_floats(kind: pa.DataType) -> bool:
    return is_float(kind) or (pa.types.is_list(kind) and is_float(kind.value_type))


def _same(left: pa.ChunkedArray, right: pa.ChunkedArray) -> bool:
    """Tell whether two columns are equal in every bit, NaN equal to NaN, also within lists."""
    return repr(left.to_pylist()) == repr(right.to_pylist())


def _close(left: pa.ChunkedArray, right: pa.ChunkedArray) -> bool:
    """Tell whether two columns of floats, or of lists of them, are about equal."""
    if pa.types.is_list(left.type):
        if not left.is_null().equals(right.is_null()) or not list_value_length(left).equals(list_value_length(right)):
            return False
        left, right = list_flatten(left), list_flatten(right)
    found, wanted = (read(pa.table({"column": column}), "column") for column in (left, right))
    return bool(np.allclose(found, wanted, rtol=1e-5, atol=1e-7, equal_nan=True))
