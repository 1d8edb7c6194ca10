"""Ops inside of ops: scorers that one runs on what it makes on the way."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pyarrow as pa

from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op
from lit_iterative.ops.tally import Tally


def check_nested(name: str, ops: Sequence[Op], score: str) -> None:
    """Check that ops can run inside of another one, and give the score that it goes by.

    Args:
        name: The op and its parameter, for the message.
        ops: What runs inside.
        score: The score.

    Raises:
        PipelineError: If there is a global op, or none provides the score.
    """
    for op in ops:
        if op.scope == "global":
            raise PipelineError(f"{name} has {op.name}, which needs the whole table. Put it behind, or leave it out.")
    if not any(score in op.provides for op in ops):
        known = [column for op in ops for column in op.provides]
        raise PipelineError(f"{name} goes by {score!r}, but its ops provide only {known}. Add a scorer that gives it.")


def needed(ops: Iterable[Op], known: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that ops require and have neither from each other nor from what is known.

    Example:
        >>> from lit_iterative.ops.language import ExtractAnswer, Verify
        >>> needed([ExtractAnswer(), Verify()], ["text"])
        ('answer',)
    """
    known, wanted = set(known), list[str]()
    for op in ops:
        wanted += [column for column in op.requires if column not in known]
        known |= set(op.provides)
    return tuple(dict.fromkeys(wanted))


def run_nested(ops: Iterable[Op], table: pa.Table, context: Context) -> pa.Table:
    """Return a table with the scores that ops give it; what they count stays inside.

    Raises:
        DataError: If one drops or adds rows.
    """
    inside, rows = replace(context, tally=Tally(), progress=None), table.num_rows
    for op in ops:
        table = op(table, inside)
        if table.num_rows != rows:
            raise DataError(
                f"{op.name} made {table.num_rows} rows of {rows} inside of another op, where it may only score. Put it "
                "behind that op."
            )
    return table
