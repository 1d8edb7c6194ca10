"""A case: an op with a table to run it on and the rounds around it."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read, write
from lit_iterative.ops.context import Context, OneRank, Ranks
from lit_iterative.ops.op import Op
from lit_iterative.pool import Pool
from lit_iterative.testing.fixtures import FakeForward, Past
from lit_iterative.testing.tables import candidates, rolled
from lit_iterative.testing.text_tables import TEXT_COLUMNS, completions

MARK = "conformance.row"


@dataclass(frozen=True)
class OpCase:
    """An op and what it is run on.

    Args:
        op: The op, without schedules or with them resolved.
        given: A table with an ``id`` and all that the op requires; an example of the usual columns, or of
            completions, when left out.
        ledger: What is remembered of every input when the first round starts.
        item: Makes the inputs of the pool, each of its place.
    """

    op: Op
    given: pa.Table | None = None
    ledger: pa.Table | None = None
    item: Callable[[int], Any] = float

    @cached_property
    def table(self) -> pa.Table:
        """The table of the first round."""
        if self.given is not None:
            return self.given
        if set(self.op.requires) & set(TEXT_COLUMNS):
            return completions(self.op.requires)
        return candidates([name for name in self.op.requires if name != "row"])

    def table_of(self, round: int) -> pa.Table:
        """Return the table of a round: the same ids with other rows' values."""
        return rolled(self.table, 3 * round)

    @cached_property
    def pool(self) -> Pool:
        """Inputs with the ids of the table, in another order than theirs."""
        return pool_of_ids(np.unique(read(self.table, "id")), self.item)

    def context(self, round: int = 0, ranks: Ranks | None = None) -> Context:
        """Return the first round, or the second with all that the first left; nothing of it is shared."""
        state = self._after_first if round else {"memory": {}, "ledger": self.ledger, "previous": None}
        return Context(
            pool=self.pool,
            round=round,
            ranks=ranks or OneRank(),
            forward=FakeForward(),  # type: ignore[arg-type]  # quacks like one
            memory=deepcopy(state["memory"]),
            ledger=state["ledger"],
            previous=state["previous"],
        )

    @cached_property
    def _after_first(self) -> dict[str, Any]:
        context = self.context(0)
        table = self.as_given(self.table)
        made = self.op(table, context)
        remembered = self.op.remember(table, context)
        ledger = self.ledger if remembered is None else remembered
        return {"memory": context.memory, "ledger": ledger, "previous": Past(0, made)}

    def as_given(self, table: pa.Table) -> pa.Table:
        """Return the table as the executor gives it to the op: a global op sees only what it requires."""
        if self.op.scope != "global":
            return table
        columns = [name for name in dict.fromkeys(["id", *self.op.requires]) if name in table.column_names]
        return write(table.select(columns), row=np.arange(table.num_rows))

    def run(self, table: pa.Table, round: int = 0) -> pa.Table:
        """Return what the op makes of a table, with no columns but those a table has before and after ops."""
        made = self.op(self.as_given(table), self.context(round))
        return made.drop_columns(["row"]) if self.op.scope == "global" else made

    def trace(self, table: pa.Table, round: int = 0) -> tuple[pa.Table, Array]:
        """Return what the op makes of a table, and from which of its rows each row was made."""
        if self.op.scope == "global":
            made = self.op(self.as_given(table), self.context(round))
            return made.drop_columns(["row"]), read(made, "row")
        made = self.op(write(table, **{MARK: np.arange(table.num_rows)}), self.context(round))
        return made.drop_columns([MARK]), read(made, MARK)

    def with_op(self, op: Op) -> "OpCase":
        """Return the case with another op."""
        return replace(self, op=op)


def pool_of_ids(ids: Array, item: Callable[[int], Any] = float) -> Pool:
    """Return a pool with these ids whose inputs are numbers, or what is made of them, without hidden labels."""
    return Pool(dataset=[item(number) for number in range(len(ids))], batch_size=4, ids=ids)
