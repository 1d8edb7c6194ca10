"""Merges: how the rows of a new round join those of the round before."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import pyarrow as pa

from lit_iterative.ops.context import Context


class Merge(ABC):
    """Joins new and old rows. Subclass it as a frozen dataclass."""

    @property
    def requires(self) -> tuple[str, ...]:
        """Names of the columns that must be there."""
        return ("id",)

    @abstractmethod
    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        """Return the rows to train on.

        Args:
            new: Rows made in this round.
            old: Rows of the round before, with the same columns; none in the first round.
            context: The round.
        """


@dataclass(frozen=True)
class Replace(Merge):
    """Takes the new rows and forgets the old ones.

    Example:
        >>> from lit_iterative.pool import Pool
        >>> new, old = pa.table({"id": [2]}), pa.table({"id": [1]})
        >>> Replace()(new, old, Context(Pool([0, 0, 0], 1)))["id"].to_pylist()
        [2]
    """

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        """Return the new rows."""
        return new
