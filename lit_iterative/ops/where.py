"""Where: the rows that have a value in a column."""

from dataclasses import dataclass

import pyarrow as pa

from lit_iterative.columns import keep, read
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class Where(Op):
    """Keeps rows that have a value in a column.

    Args:
        column: Its name.
        value: A number or a text.

    Raises:
        DataError: If there is no such column, or a cell is empty, when run.

    Example:
        >>> Where("drawn", "now")(pa.table({"id": [1, 2], "drawn": ["now", "before"]}), None)["id"].to_pylist()
        [1]
    """

    column: str
    value: str | float

    @property
    def requires(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows that have the value."""
        return keep(table, read(table, self.column) == self.value)
