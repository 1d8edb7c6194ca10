"""Selection by a fixed rule."""

from dataclasses import dataclass

import pyarrow as pa

from lit_iterative.columns import keep, read
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class Threshold(Op):
    """Keeps rows whose score is at least a value.

    Args:
        value: The bound, in units of the score.
        column: The score.
        keep_above: Whether large scores are kept, or small ones (at most the value).

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(**{"scores.confidence": [0.5, 0.99]})
        >>> show(Threshold(0.95)(table, None), "id")
        [1]
    """

    value: float | Schedule
    column: str = "scores.confidence"
    keep_above: bool = True

    @property
    def requires(self) -> tuple[str, ...]:
        """The score."""
        return (self.column,)

    @property
    def provides(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows that pass."""
        score = read(table, self.column)
        return keep(table, score >= self.value if self.keep_above else score <= self.value)
