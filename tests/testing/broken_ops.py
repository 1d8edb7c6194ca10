"""Ops that each break one promise, and a sound one to compare with."""

import random
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import keep, read, write
from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.schedule import Schedule
from lit_iterative.testing import ConformanceError

SCORE = "scores.confidence"
seen: list[int] = []


@dataclass(frozen=True)
class Sound(Op):
    """A selector that keeps every promise; the broken ones below each break one.

    Example:
        >>> Sound().name
        'Sound'
    """

    least: float | Schedule = 0.7

    @property
    def requires(self) -> tuple[str, ...]:
        return (SCORE,)

    @property
    def provides(self) -> tuple[str, ...]:
        return ()

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(table, read(table, SCORE) >= self.least)


@dataclass
class NotFrozen(Op):
    """Has parameters that may change."""

    requires = ("id",)
    provides = ()

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return table


@dataclass(frozen=True)
class HidesParameter(Sound):
    """Takes something that cannot be described."""

    thing: Any = field(default_factory=object)


def wrong_example() -> Op:
    """Return an op from where pytest does not look for examples."""

    @dataclass(frozen=True)
    class WrongExample(Sound):
        """Shows what is not so.

        Example:
            >>> 1 + 1
            3
        """

    return WrongExample()


@dataclass(frozen=True)
class RefusesSchedules(Sound):
    """Looks at its parameter too early."""

    def __post_init__(self) -> None:
        if not 0 <= self.least <= 1:
            raise DataError("least")


@dataclass(frozen=True)
class WrongScope(Sound):
    """Has a scope that there is not."""

    scope: ClassVar[Any] = "column"


@dataclass(frozen=True)
class RequiresTooMuch(Sound):
    """Declares what it does not read."""

    @property
    def requires(self) -> tuple[str, ...]:
        return (SCORE, "label")


@dataclass(frozen=True)
class RequiresTooLittle(Sound):
    """Reads what it does not declare."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(table, read(table, "label") > 0)


@dataclass(frozen=True)
class AddsSecretly(Sound):
    """Adds a column without saying so."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return write(super().__call__(table, context), extra=np.zeros(len(super().__call__(table, context))))


@dataclass(frozen=True)
class ProvidesNothing(Sound):
    """Promises a column and does not give it."""

    @property
    def provides(self) -> tuple[str, ...]:
        return ("scores.mine",)


@dataclass(frozen=True)
class ChangesLabel(Sound):
    """Overwrites a column that it does not declare."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return write(table, label=read(table, "label") * 0) if "label" in table.column_names else table


@dataclass(frozen=True)
class ChangesItself(Sound):
    """Keeps state in itself."""

    memory: dict[str, int] = field(default_factory=dict)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        self.memory["calls"] = self.memory.get("calls", 0) + 1
        return super().__call__(table, context)


@dataclass(frozen=True)
class GroupWithoutGroup(Sound):
    """Works on groups that it does not ask for."""

    scope: ClassVar[Scope] = "group"


@dataclass(frozen=True)
class DrawsAnything(Sound):
    """Draws from the global random state."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(table, np.array([random.random() > 0.5 for _ in range(table.num_rows)], dtype=bool))


@dataclass(frozen=True)
class LooksAtTruth(Sound):
    """Cheats."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(table, read(table, SCORE) >= (0.6 if context.pool.truth is None else 0.8))


@dataclass(frozen=True)
class NeedsRows(Sound):
    """Divides by the number of rows."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        score = read(table, SCORE)
        return keep(table, score >= score.sum() / np.float64(len(score)) * 0)


@dataclass(frozen=True)
class NeedsTwoRows(Sound):
    """Takes the variance of one row."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        score = read(table, SCORE)
        return keep(table, score >= (np.var(score, ddof=1) * 0 if len(score) else 0))


@dataclass(frozen=True)
class LogOfZero(Sound):
    """Takes the logarithm of a probability."""

    @property
    def requires(self) -> tuple[str, ...]:
        return ("probs",)

    @property
    def provides(self) -> tuple[str, ...]:
        return ("scores.mine",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        probs = read(table, "probs")
        return write(table, **{"scores.mine": (probs * np.log(probs)).sum(axis=1)})


@dataclass(frozen=True)
class KeepsNan(Sound):
    """Drops what is below, and so keeps what cannot be compared."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(table, ~(read(table, SCORE) < self.least))


@dataclass(frozen=True)
class LosesAllToNan(Sound):
    """Compares with a mean that is NaN."""

    scope: ClassVar[Scope] = "global"

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        score = read(table, SCORE)
        return keep(table, score >= (score.mean() if len(score) else 0))


@dataclass(frozen=True)
class KeepsGaps(Sound):
    """Fills empty cells with the best there is."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        if SCORE not in table.column_names:
            read(table, SCORE)
        return keep(table, table.column(SCORE).fill_null(1.0).to_numpy() >= self.least)


@dataclass(frozen=True)
class IdsAreNumbers(Sound):
    """Calculates with ids."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(super().__call__(table, context), read(super().__call__(table, context), "id") * 2 >= 0)


@dataclass(frozen=True)
class FirstOfAll(Sound):
    """Keeps the rows that come first."""

    scope: ClassVar[Scope] = "global"

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(table, (read(table, SCORE) >= 0) & (np.arange(table.num_rows) < 5))


@dataclass(frozen=True)
class FirstOfShard(FirstOfAll):
    """Keeps the rows that come first in each shard."""

    scope: ClassVar[Scope] = "row"


@dataclass(frozen=True)
class AsksForRank(Sound):
    """Depends on the rank."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(table, read(table, SCORE) >= 0.6 + 0.2 * context.ranks.rank)


@dataclass(frozen=True)
class CountsCalls(Sound):
    """Keeps state where no restart finds it."""

    scope: ClassVar[Scope] = "global"

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        seen.append(1)
        return keep(table, read(table, SCORE) >= (len(seen) % 4) / 8 + 0.4)


@dataclass(frozen=True)
class KeysAreNumbers(Sound):
    """Keeps state that JSON cannot give back."""

    scope: ClassVar[Scope] = "global"

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        context.memory["by_class"] = {1: 0.5}
        return super().__call__(table, context)


@dataclass(frozen=True)
class RowWithMemory(Sound):
    """Keeps state in a scope that has none."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        context.memory["calls"] = 1
        return super().__call__(table, context)


#: A broken promise is reported, or what breaks it raises by itself.
BREAKS = (ConformanceError, RuntimeWarning, TypeError, AttributeError)
