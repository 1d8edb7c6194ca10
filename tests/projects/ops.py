"""Ops that tests of the machinery use."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import keep, read, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope


@dataclass(frozen=True)
class Square(Op):
    """A row op: adds ``square``, and drops ids that ``drop`` divides."""

    drop: int = 0

    @property
    def requires(self) -> tuple[str, ...]:
        return ("id",)

    @property
    def provides(self) -> tuple[str, ...]:
        return ("square",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        table = write(table, square=read(table, "id") ** 2)
        return keep(table, read(table, "id") % self.drop != 0) if self.drop else table


@dataclass(frozen=True)
class Halve(Op):
    """A global op with a memory: keeps every other row and counts its calls and all rows it saw."""

    scope: ClassVar[Scope] = "global"
    wrong: str = ""

    @property
    def requires(self) -> tuple[str, ...]:
        return ("id",)

    @property
    def provides(self) -> tuple[str, ...]:
        return ("rank",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        context.memory["calls"] = context.memory.get("calls", 0) + 1
        context.memory["rows"] = context.memory.get("rows", 0) + table.num_rows
        table = write(table, rank=np.arange(table.num_rows))
        if self.wrong == "order":
            return table.take(pa.array(np.arange(table.num_rows)[::-1]))
        if self.wrong == "lost":
            return table.drop_columns(["row"])
        return keep(table, read(table, "row") % 2 == 0)


@dataclass(frozen=True)
class Count(Op):
    """A row op that counts its rows and takes the mean of their ids."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        context.tally.count("seen", table.num_rows)
        context.tally.mean("mean_id", read(table, "id"))
        return table


@dataclass(frozen=True)
class CountGlobally(Count):
    """The same, of the whole table at once."""

    scope: ClassVar[Scope] = "global"


@dataclass(frozen=True)
class Nested(Op):
    """A row op that runs others one after another."""

    ops: list[Op]

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        for op in self.ops:
            table = op(table, context)
        return table
