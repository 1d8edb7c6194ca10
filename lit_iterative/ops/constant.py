"""Constant: a column with one value."""

from dataclasses import dataclass

import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class Constant(Op):
    """Gives every row the same value in a column, such as a weight or a mark that training reads.

    Args:
        column: Its name.
        value: A number or a text.

    Raises:
        PipelineError: If the column is ``id`` or ``row``.

    Example:
        >>> Constant("weight", 0.5)(pa.table({"id": [1, 2]}), None)["weight"].to_pylist()
        [0.5, 0.5]
    """

    column: str
    value: str | float

    def __post_init__(self) -> None:
        if self.column in ("id", "row"):
            raise PipelineError(f"Constant(column) is {self.column!r}, which tells rows apart. Name another column.")

    @property
    def provides(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the column."""
        value = self.value if isinstance(self.value, str) else float(self.value)
        kind = pa.string() if isinstance(value, str) else pa.float64()
        return write(table, **{self.column: pa.array([value] * len(read(table, "id")), kind)})
