"""A lasting pool of candidates: what every round has drawn is there in the rounds after it."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import look_up, read, write
from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import column_of, keys_of, nested, repeats, spans
from lit_iterative.ops.merge import decoded
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.remember import Remember

#: What stands in front of a column's name in the ledger.
POOLED = "pooled."
#: What the first of equal completions is told by.
KEY = "completion_ids"


@dataclass(frozen=True)
class RememberCandidates(Remember):
    """Keeps columns of all candidates of an input, for ``RecallCandidates`` in later rounds; changes no row.

    Put it behind ``RecallCandidates``: then an input gathers all that was ever drawn for it. DIVE (Qin et al., 2025)
    selects the data of every round anew from such a pool.

    Args:
        columns: What is kept of each candidate; ``completion_ids`` is among them.

    Requires ``group`` and the columns. The ledger gets a list a column, with a value for each candidate.

    Raises:
        PipelineError: If ``completion_ids`` is not among the columns, or ``id`` is.
        DataError: If a column is missing, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["4", "5"])
        >>> RememberCandidates(["completion_ids", "text"]).remember(table, Context(Pool([0], 1))).column_names
        ['id', 'pooled.completion_ids', 'pooled.text']
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_columns(self.name, self.columns)

    @property
    def requires(self) -> tuple[str, ...]:
        """The groups and the columns to keep."""
        return ("group", *self.columns)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table as it is."""
        column_of(table, "group")
        return super().__call__(table, context)

    def remember(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the ledger with the candidates of this table."""
        plain, bounds = decoded(table.select(["id", "group", *self.columns])), spans(table)
        heads = [start for start, _ in bounds]
        lengths = [end - start for start, end in bounds]
        lists = {POOLED + name: nested(_whole(plain, name), lengths) for name in self.columns}
        new = write(plain.select(["id"]).take(pa.array(heads, pa.int64())), **lists)
        return Remember([*lists]).remember(new, context)


@dataclass(frozen=True)
class RecallCandidates(Op):
    """Adds the candidates of earlier rounds to those of the same input, which ``RememberCandidates`` has kept.

    Args:
        columns: What was kept of them; all other columns are those of the input's first candidate.

    Requires ``group``, ``candidate`` and the columns; provides ``recalled``: whether a candidate is of an earlier
    round. A completion that is there already is not added again. Counts ``recalled`` (rows).

    Raises:
        PipelineError: If ``completion_ids`` is not among the columns.
        DataError: If rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> columns, context = ["completion_ids", "text"], Context(Pool([0], 1))
        >>> ledger = RememberCandidates(columns).remember(candidates(["4", "5"]), context)
        >>> made = RecallCandidates(columns)(candidates(["6", "4"]), Context(Pool([0], 1), 1, ledger=ledger))
        >>> made["text"].to_pylist(), made["recalled"].to_pylist()
        (['6', '4', '5'], [False, False, True])
    """

    columns: list[str]
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        _check_columns(self.name, self.columns)

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates and the columns that were kept."""
        return ("group", "candidate", *self.columns)

    @property
    def provides(self) -> tuple[str, ...]:
        """The columns, and whether a candidate is of an earlier round."""
        return ("candidate", *self.columns, "recalled")

    @property
    def recalls(self) -> tuple[str, ...]:
        """The columns that were kept."""
        return tuple(self.columns)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the candidates of this round and of earlier ones."""
        for name in self.columns:
            if pa.types.is_floating(column_of(table, name).type):
                read(table, name)  # a score that abstains is NaN; an empty cell is refused
        keys_of(table, KEY)  # refuses empty cells
        numbers, bounds = read(table, "candidate"), spans(table)
        table = write(decoded(table), candidate=numbers, recalled=np.zeros(table.num_rows, dtype=bool))
        if context.ledger is None or POOLED + KEY not in context.ledger.column_names:
            context.tally.count("recalled", 0)
            return table
        parts = [part for start, end in bounds for part in self._group(table, start, end, context.ledger)]
        made = pa.concat_tables([table.slice(0, 0), *parts])
        context.tally.count("recalled", int(read(made, "recalled").sum()))
        return made

    def _group(self, table: pa.Table, start: int, end: int, ledger: pa.Table) -> list[pa.Table]:
        """Return the candidates of an input, and behind them those of earlier rounds."""
        own = table.slice(start, end - start)
        place, found = look_up(read(own, "id")[:1], read(ledger, "id"))
        kept = {name: ledger.column(POOLED + name)[int(place[0])] for name in self.columns} if found[0] else {}
        if not kept or not kept[KEY].is_valid:
            return [own]
        past = own.take(pa.array([0] * len(kept[KEY].values), pa.int64()))
        numbers = np.arange(len(past), dtype=np.int32) + 1 + int(read(own, "candidate").max())
        columns = {name: _cast(value.values, own.schema.field(name).type) for name, value in kept.items()}
        past = write(past, candidate=numbers, recalled=np.ones(len(past), dtype=bool), **columns)
        again = repeats([*keys_of(own, KEY), *keys_of(past, KEY)])[len(own) :]
        return [own, past.filter(pa.array(~again))]


def _check_columns(op: str, columns: list[str]) -> None:
    if KEY not in columns or len(set(columns)) < len(columns):
        raise PipelineError(
            f"{op}(columns) is {list(columns)}. Name each column once, and {KEY!r} among them, which tells one "
            "candidate from another."
        )


def _whole(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _cast(values: Any, kind: pa.DataType) -> pa.Array:
    return values if values.type == kind else values.cast(kind)
