"""Remember: columns that are kept for every input from round to round, in the ledger."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, look_up, read
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope


@dataclass(frozen=True)
class Remember(Op):
    """Keeps columns of every input that it sees, for later rounds; changes no row.

    The ledger has one row for each input ever seen, by ascending ``id``. A new value overwrites the old one;
    an input that this round does not see keeps what it has. An input may have several rows, such as the candidates of
    a prompt, as long as a column holds the same for all of them, as ``pass_rate`` does. Put it before selectors drop
    rows. The pools ``Failures`` and ``Curriculum`` read the ledger, and so may any op, as ``context.ledger``.

    Args:
        columns: Names of the columns; at least one.

    Raises:
        PipelineError: If there are no columns, or ``id`` is among them.
        DataError: If a column is missing, differs between rows of an input, or changed its type, when run.

    Example:
        >>> from lit_iterative.ops.testing import example
        >>> from lit_iterative.pool import Pool
        >>> table = example(id=[2, 1], **{"scores.confidence": [0.5, 0.75]})
        >>> Remember(["scores.confidence"]).remember(table, Context(Pool([0, 0, 0], 1))).to_pylist()
        [{'id': 1, 'scores.confidence': 0.75}, {'id': 2, 'scores.confidence': 0.5}]
    """

    columns: list[str]
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        if not self.columns or "id" in self.columns:
            raise PipelineError(
                f"Remember has the columns {list(self.columns)}. Name at least one, and leave out 'id', which is "
                "always kept."
            )

    @property
    def requires(self) -> tuple[str, ...]:
        """The columns to keep."""
        return tuple(self.columns)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table as it is."""
        missing = sorted(set(self.columns) - set(table.column_names))
        if missing:
            raise DataError(f"Remember keeps {missing}, but there are only {table.column_names}. Put it later.")
        return table

    def remember(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the ledger with this table's values."""
        new = _one_row_each(table.select(["id", *dict.fromkeys(self.columns)]))
        old = context.ledger if context.ledger is not None else new.slice(0, 0)
        new_ids, old_ids = read(new, "id"), read(old, "id")
        ids = np.union1d(new_ids, old_ids)
        at_new, at_old = _positions(ids, new_ids), _positions(ids, old_ids)
        names = dict.fromkeys([*old.column_names, *new.column_names])
        return pa.table({name: _joined(name, new, old, at_new, at_old) for name in names})


def _one_row_each(table: pa.Table) -> pa.Table:
    """Return the first row of every input, where all its rows are equal."""
    _, first, place = np.unique(read(table, "id"), return_index=True, return_inverse=True)
    if len(first) == table.num_rows:
        return table
    heads = table.take(pa.array(first[place]))
    for name in table.column_names[1:]:
        given, wanted = (rows.column(name).to_pylist() for rows in (table, heads))
        other = [row for row, pair in enumerate(zip(given, wanted, strict=True)) if repr(pair[0]) != repr(pair[1])]
        if other:
            raise DataError(
                f"Remember keeps one value of {name!r} for each input, but rows of an input differ in it, for example "
                f"{given[other[0]]!r} and {wanted[other[0]]!r}. Remember a column that is the same for all candidates "
                "of an input, or reduce them to one row before it."
            )
    return table.take(pa.array(np.sort(first)))


def _positions(ids: Array, known: Array) -> Array:
    """Return where each id stands among the known ones, -1 where it does not."""
    position, found = look_up(ids, known)
    return np.where(found, position, -1)


def _joined(name: str, new: pa.Table, old: pa.Table, at_new: Array, at_old: Array) -> pa.Array:
    """Return a column of the ledger: the new value where there is one, else the old one, else nothing."""
    parts = [_plain(table.column(name)) for table in (new, old) if name in table.column_names]
    if any(part.type != parts[0].type for part in parts):  # equal types may differ in the names of their fields
        raise DataError(
            f"The column {name!r} is {parts[0].type} in this round and {parts[1].type} in the ledger. Did the "
            "number of classes change? Remember it under another name, or start a new round store."
        )
    offset = new.num_rows if name in new.column_names else 0
    place = np.where(at_old >= 0, at_old + offset, -1) if name in old.column_names else np.full(len(at_old), -1)
    if name in new.column_names:
        place = np.where(at_new >= 0, at_new, place)
    return pa.concat_arrays(parts).take(pa.array(place, mask=place < 0))


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece and without a dictionary, so that columns of two rounds can be joined."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], type=column.type)
