"""Pool samplers that look back: which inputs a round works on, by what the ledger remembers of them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep, look_up, read
from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_order, number
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class Failures(Op):
    """Inputs whose remembered value is below a bound, and those that were never seen.

    The value is the ledger's, which ``Remember`` keeps: put ``Remember([column])`` behind the op that provides
    the column. In the first round every input is unseen, and so are inputs without a value, or with NaN.

    Args:
        value: The bound; the value itself is no failure. With ``column`` alike, ``Threshold(value)`` keeps
            exactly what this leaves out.
        column: The remembered column.
        keep_above: Whether large values are failures instead, for example with ``scores.entropy``.

    Raises:
        DataError: If there is a ledger without the column, or the column is not of numbers, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> from lit_iterative.pool import Pool
        >>> ledger = example(id=[0, 1], **{"scores.confidence": [0.5, 0.99]})
        >>> show(Failures(0.95)(example(id=[0, 1, 2]), Context(Pool(range(3), 1), ledger=ledger)), "id")
        [0, 2]
    """

    value: float | Schedule
    column: str = "scores.confidence"
    keep_above: bool = False
    scope: ClassVar[Scope] = "global"

    @property
    def recalls(self) -> tuple[str, ...]:
        """The remembered column."""
        return (self.column,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows of failures and of unseen inputs."""
        value = remembered(table, context, self.column, self.name)
        failed = value > number(self.value) if self.keep_above else value < number(self.value)
        return keep(table, failed | np.isnan(value))


@dataclass(frozen=True)
class Curriculum(Op):
    """Inputs whose remembered value lies between two bounds, and those that were never seen.

    With a pass rate and the bounds 0 and 1 it skips what is always and what is never solved. The value is the
    ledger's, which ``Remember`` keeps: put ``Remember([column])`` behind the op that provides the column. An
    input that is skipped keeps its value, so it stays out until the bounds move; give them schedules.

    Args:
        low: Lower bound, not included.
        high: Upper bound, not included.
        column: The remembered column.

    Raises:
        PipelineError: If nothing lies between the bounds.
        DataError: If there is a ledger without the column, or the column is not of numbers, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> from lit_iterative.pool import Pool
        >>> ledger = example(id=[0, 1, 2], **{"scores.agreement": [0.0, 0.5, 1.0]})
        >>> curriculum = Curriculum(column="scores.agreement")
        >>> show(curriculum(example(id=[0, 1, 2, 3]), Context(Pool(range(4), 1), ledger=ledger)), "id")
        [1, 3]
    """

    low: float | Schedule = 0.0
    high: float | Schedule = 1.0
    column: str = "scores.confidence"
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_order(self.low, self.high)

    @property
    def recalls(self) -> tuple[str, ...]:
        """The remembered column."""
        return (self.column,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows within the bounds and those of unseen inputs."""
        value = remembered(table, context, self.column, self.name)
        return keep(table, ((number(self.low) < value) & (value < number(self.high))) | np.isnan(value))


def remembered(table: pa.Table, context: Context, column: str, asker: str) -> Array:
    """Return the ledger's value for every row, shape ``(rows,)`` float64, NaN where it knows none.

    Args:
        table: The rows.
        context: The round; without a ledger nothing is known.
        column: The remembered column.
        asker: Who needs it, for the message.

    Raises:
        DataError: If there is a ledger without the column, or the column is not of numbers.
    """
    if context.ledger is None:
        return np.full(table.num_rows, np.nan)
    if column not in context.ledger.column_names:
        raise DataError(
            f"{asker} reads {column!r}, but the ledger remembers {context.ledger.column_names}. Add "
            f"Remember([{column!r}]) to the ops of this phase and of the one before."
        )
    kind = context.ledger.schema.field(column).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise DataError(f"{asker} reads {column!r}, which is {kind}. Remember a column with one number for each input.")
    values = context.ledger.column(column).cast(pa.float64()).fill_null(float("nan"))
    position, found = look_up(read(table, "id"), read(context.ledger, "id"))
    result = np.full(table.num_rows, np.nan)
    result[found] = values.to_numpy()[position[found]]
    return result
