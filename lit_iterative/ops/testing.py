"""Small tables for docstring examples and tests."""

from typing import Any

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write


def example(**columns: Any) -> pa.Table:
    """Return a table with ids 0, 1, … and the given columns; floats become float32.

    Example:
        >>> example(probs=[[0.5, 0.5]]).column_names
        ['id', 'probs']
    """
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    arrays = {name: a.astype(np.float32) if a.dtype == np.float64 else a for name, a in arrays.items()}
    rows = max((len(array) for array in arrays.values()), default=0)
    if "id" not in arrays:
        arrays = {"id": np.arange(rows), **arrays}
    return write(pa.table({"id": arrays.pop("id")}), **arrays)


def show(table: pa.Table, column: str) -> list[Any]:
    """Return a column as a list, floats rounded to four places."""
    values = read(table, column)
    shown: list[Any] = values.astype(np.float64).round(4).tolist() if values.dtype.kind == "f" else values.tolist()
    return shown
