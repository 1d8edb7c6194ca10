"""Pool samplers: which inputs a round works on. They stand before ``Predict``, so that the rest costs nothing."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep, read
from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, number, whole
from lit_iterative.ops.schedule import Schedule
from lit_iterative.seeds import generator


@dataclass(frozen=True)
class AllInputs(Op):
    """Every input; the same as no sampler, for recipes that name one.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> show(AllInputs()(example(id=[4, 5]), None), "id")
        [4, 5]
    """

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table as it is."""
        return table


@dataclass(frozen=True)
class RandomInputs(Op):
    """Inputs drawn without replacement, afresh in every round.

    The draw depends on the seed, the round and the set of ids, not on their order.

    Args:
        size: Number of inputs; all where there are fewer.
        share: Share of the inputs, rounded to the nearest number and at least one; give this or ``size``.

    Raises:
        PipelineError: If not exactly one is given, or it is out of range.

    Example:
        >>> from lit_iterative.ops.testing import example
        >>> from lit_iterative.pool import Pool
        >>> context = Context(Pool(range(10), 1))
        >>> RandomInputs(size=3)(example(id=range(10)), context).num_rows
        3
    """

    size: int | Schedule | None = None
    share: float | Schedule | None = None
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        if (self.size is None) == (self.share is None):
            raise PipelineError(f"RandomInputs has size {self.size} and share {self.share}. Give exactly one of them.")
        check_range("RandomInputs(size)", self.size, 1)
        check_range("RandomInputs(share)", self.share, 0, 1, open_low=True)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the drawn rows."""
        wanted = self._wanted(table.num_rows)
        draw = generator(context.seed, context.round, "RandomInputs")
        return keep(table, _ranks(table, draw) < wanted)

    def _wanted(self, rows: int) -> int:
        if self.size is not None:
            return whole(self.size)
        return max(1, whole(number(self.share or 0.0) * rows))


@dataclass(frozen=True)
class GrowingPool(Op):
    """More inputs in every round: the first ``start + round * step`` of a random order that never changes.

    The order depends on the seed and the set of ids; a pool that gets new items gets a new order.

    Args:
        start: Inputs in round 0, at least 1.
        step: Inputs added in each round, at least 0.

    Raises:
        PipelineError: If a number makes no sense.

    Example:
        >>> from lit_iterative.ops.testing import example
        >>> from lit_iterative.pool import Pool
        >>> [GrowingPool(2, 3)(example(id=range(6)), Context(Pool(range(6), 1), r)).num_rows for r in range(3)]
        [2, 5, 6]
    """

    start: int
    step: int
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("GrowingPool(start)", self.start, 1)
        check_range("GrowingPool(step)", self.step, 0)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows that are in the pool by now."""
        draw = generator(context.seed, "GrowingPool")
        return keep(table, _ranks(table, draw) < self.start + context.round * self.step)


@dataclass(frozen=True)
class Stream(Op):
    """The inputs of one window of the pool, in its order; the next window in the next round.

    Args:
        size: Inputs in a window, at least 1.
        wrap: Whether to begin again at the end of the pool. Without it the last window may be short, and later
            rounds are empty, which keeps the data of the round before.

    Raises:
        PipelineError: If the window is empty.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> from lit_iterative.pool import Pool
        >>> pool, table = Pool(range(5), 1), example(id=range(5))
        >>> [show(Stream(2, wrap=True)(table, Context(pool, round)), "id") for round in range(3)]
        [[0, 1], [2, 3], [0, 4]]
    """

    size: int
    wrap: bool = False
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("Stream(size)", self.size, 1)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows in the window."""
        behind_start = context.pool.positions(read(table, "id")) - context.round * self.size
        if self.wrap:
            behind_start %= len(context.pool)
        return keep(table, (behind_start >= 0) & (behind_start < self.size))


def _ranks(table: pa.Table, draw: np.random.Generator) -> Array:
    """Return the place of every row in a random order of the ids, so that the order of rows plays no part."""
    ranks = np.empty(table.num_rows, dtype=np.int64)
    ranks[np.argsort(read(table, "id"), kind="stable")] = draw.permutation(table.num_rows)
    return ranks
