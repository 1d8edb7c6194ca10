"""RoundAgreement: what the policy says of an input now and what it said in the round before."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import look_up, read
from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class RoundAgreement(Op):
    """Measures how many inputs have the same value as when they were last seen; changes no row.

    Put it behind the op that provides the column, in front of those that select, and put ``Remember([column])`` behind
    it; in front of it, an input would be compared with itself. The flip rate, which is always measured, compares only
    inputs that were kept in both rounds.

    Args:
        column: The column, which is the same for all candidates of an input: ``label``, or a voted answer. Of soft
            labels the largest class is compared.

    Requires the column. Measures ``agreement``, unknown where no input was seen before.

    Raises:
        DataError: If there is a ledger without the column, when run.

    Example:
        >>> from lit_iterative.ops.testing import example
        >>> from lit_iterative.pool import Pool
        >>> context = Context(Pool(range(3), 1), ledger=example(id=[0, 1], label=[1, 1]))
        >>> _ = RoundAgreement()(example(id=[0, 1, 2], label=[1, 0, 1]), context)
        >>> context.tally.values()
        {'agreement': 0.5}
    """

    column: str = "label"

    @property
    def requires(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    @property
    def recalls(self) -> tuple[str, ...]:
        """The column, which must be remembered."""
        return (self.column,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table as it is."""
        ledger, now = context.ledger, _values(table, self.column)
        if ledger is None:
            return table
        if self.column not in ledger.column_names:
            raise DataError(
                f"RoundAgreement compares {self.column!r}, but the ledger remembers {ledger.column_names}. Add "
                f"Remember([{self.column!r}]) to the ops of this phase and of the one before."
            )
        ids, first = np.unique(read(table, "id"), return_index=True)
        place, found = look_up(ids, read(ledger, "id"))
        before = _values(ledger, self.column)
        pairs = zip(first[found].tolist(), place[found].tolist(), strict=True)
        context.tally.mean("agreement", [now[row] == before[old] for row, old in pairs if before[old] is not None])
        return table


def _values(table: pa.Table, column: str) -> list[object]:
    """Return a column as plain values, None where it is empty; of a soft label the largest class."""
    if column not in table.column_names:
        raise DataError(f"RoundAgreement compares {column!r}, but there are only {table.column_names}. Put it later.")
    values: list[object] = table.column(column).to_pylist()
    return [int(np.argmax(value)) if isinstance(value, list) else value for value in values]
