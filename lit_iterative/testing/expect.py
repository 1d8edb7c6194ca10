"""What a check says when it fails, and how tables are compared."""

from typing import NoReturn

import numpy as np
import pyarrow as pa

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
        about = is_float(left.type) and not exact
        same = _close(found, wanted, name) if about else left.to_pylist() == right.to_pylist()
        expect(same, f"{what}: the column {name!r} differs.")


def is_float(kind: pa.DataType) -> bool:
    """Tell whether a column of this type holds floating-point numbers, plain or in vectors."""
    value = kind.value_type if pa.types.is_fixed_size_list(kind) else kind
    return bool(pa.types.is_floating(value))


def _types(table: pa.Table) -> dict[str, str]:
    return {field.name: str(field.type) for field in table.schema}


def _close(found: pa.Table, wanted: pa.Table, name: str) -> bool:
    return bool(np.allclose(read(found, name), read(wanted, name), rtol=1e-5, atol=1e-7, equal_nan=True))
