"""Replay: completions of earlier rounds beside those of this one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import column_of, ids_of, int_lists, keys_of, lists_of, repeats, spans, texts_of
from lit_iterative.ops.merge import joined
from lit_iterative.ops.op import Op, Scope

PAST = ("rejected", "rejected_ids")


@dataclass(frozen=True)
class Replay(Op):
    """Adds the completions that the round before has rejected to the candidates of the same prompt.

    A builder behind it sees both, and ``drawn`` tells them apart. Where it rejects the old ones again they are there in
    the round after that as well, so that a prompt gathers all that the policy ever wrote: the replay of DITTO (Shaikh
    et al., 2024, arXiv:2406.00888).

    Requires ``group``, ``candidate``, ``text``, ``completion_ids`` and ``finish``; provides ``drawn``: ``now`` for the
    candidates that are there, ``before`` for those that are added behind them. Equal completions of a prompt are added
    once, with the next numbers as ``candidate``, ``stop`` as ``finish``, and all else as the prompt's first candidate
    has it. Counts ``replayed``.

    Raises:
        DataError: If the data of the round before are no pairs, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> Replay()(candidates(["5"]), Context(Pool([0], 1)))["drawn"].to_pylist()
        ['now']
    """

    scope: ClassVar[Scope] = "group"

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates."""
        return ("group", "candidate", "text", "completion_ids", "finish")

    @property
    def provides(self) -> tuple[str, ...]:
        """When a candidate was drawn."""
        return ("candidate", "text", "completion_ids", "finish", "drawn")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the candidates of now and before."""
        return self._joined(table, self._before(context), context)

    def map(self, shards: Iterable[pa.Table], context: Context) -> Iterator[pa.Table]:
        """Add to every shard; the round before is read once."""
        before = self._before(context)
        for shard in shards:
            yield self._joined(shard, before, context)

    def _before(self, context: Context) -> dict[object, pa.Table]:
        """Return the distinct completions that the round before rejected, by id."""
        if context.previous is None:
            return {}
        table = context.previous.table()
        if not set(PAST) <= set(table.column_names):
            raise DataError(
                f"Replay reads {list(PAST)} of round {context.previous.round}, which has only {table.column_names}. "
                "Give it rounds of pairs."
            )
        rows: dict[object, list[int]] = {}
        keys = list(zip(read(table, "id").tolist(), keys_of(table, "rejected_ids"), strict=True))
        for row in np.flatnonzero(~repeats(keys)).tolist():
            rows.setdefault(keys[row][0], []).append(row)
        plain = pa.table({"text": column_of(table, "rejected"), "completion_ids": lists_of(table, "rejected_ids")})
        return {key: plain.take(pa.array(places)) for key, places in rows.items()}

    def _joined(self, table: pa.Table, before: dict[object, pa.Table], context: Context) -> pa.Table:
        texts = {name: pa.array(texts_of(table, name), pa.string()) for name in ("text", "finish")}
        table = write(table, **texts, completion_ids=int_lists(ids_of(table, "completion_ids")))
        drawn = write(table, drawn=pa.array(["now"] * table.num_rows, pa.string()))
        ids, numbers, parts = read(table, "id").tolist(), read(table, "candidate"), [drawn.slice(0, 0)]
        for start, end in spans(table):
            parts.append(drawn.slice(start, end - start))
            old = before.get(ids[start])
            if old is not None:
                parts.append(_added(drawn.slice(start, 1), old, int(numbers[start:end].max()) + 1))
        context.tally.count("replayed", sum(part.num_rows for part in parts) - table.num_rows)
        return joined(parts)


def _added(first: pa.Table, old: pa.Table, number: int) -> pa.Table:
    """Return old completions as candidates, with all else as the first candidate of the prompt has it."""
    rows = first.take(pa.array(np.zeros(old.num_rows, dtype=np.int64)))
    return write(
        rows,
        text=old.column("text"),
        completion_ids=old.column("completion_ids"),
        candidate=pa.array(range(number, number + old.num_rows), first.schema.field("candidate").type),
        finish=pa.array(["stop"] * old.num_rows, pa.string()),
        drawn=pa.array(["before"] * old.num_rows, pa.string()),
    )
