"""Containment: a function that raises on some texts must not end a round."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pyarrow as pa

from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context

T = TypeVar("T")


def each(
    rows: Sequence[int], function: Callable[[int], T], what: str, table: pa.Table, context: Context
) -> list[T | None]:
    """Call a function with each row; where it raises, the result is ``None``, and this is counted.

    Args:
        rows: Numbers of rows of the table.
        function: Called with the number of a row.
        what: What the function is, in one word; errors are counted as ``<what>_errors``.
        table: The shard, for the id in the message.
        context: The round.

    Raises:
        DataError: If it raises on every row, because then it is the function that is broken.

    Example:
        >>> from lit_iterative.pool import Pool
        >>> context = Context(Pool([0], 1))
        >>> each([0, 2], lambda row: 6 // row, "verifier", pa.table({"id": [1, 2, 3]}), context)
        [None, 3]
        >>> context.tally.values()
        {'verifier_errors': 1}
    """
    results: list[T | None] = []
    errors: list[tuple[int, Exception]] = []
    for row in rows:
        try:
            results.append(function(row))
        except Exception as error:  # noqa: BLE001  # a user's function may raise anything on a hostile text
            errors.append((row, error))
            results.append(None)
    context.tally.count(f"{what}_errors", len(errors))
    if errors and len(errors) == len(rows):
        row, first = errors[0]
        raise DataError(
            f"The {what} raises on all {len(rows)} rows of a shard, first on the id {table['id'][row].as_py()!r}: "
            f"{type(first).__name__}: {first}. Repair it. One that raises on some rows only is counted and goes on."
        ) from first
    return results
