"""CutSteps: the steps of whole completions."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.generation.forward import Member
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.steps.steps import Decode, check_separator, ends_step, joined, step_ends
from lit_iterative.ops.language.tokens import ids_of, int_lists, texts_of
from lit_iterative.ops.op import Op, Scope


@dataclass(frozen=True)
class CutSteps(Op):
    """Cuts completions in steps: a row for each, behind the prompt and the steps before it.

    Args:
        separator: The text with which a step ends.

    Requires ``group``, ``candidate``, ``prompt``, ``prompt_ids``, ``completion_ids`` and ``finish``; provides ``group``
    (the completion's name, whose steps stand in order), ``prompt`` and ``prompt_ids`` (with the steps before),
    ``prefix_ids`` (these alone), ``step`` and ``candidate`` (its number, from 0), ``completion_ids`` and ``text`` (the
    step), ``finish`` (``stop`` but for the last step of a completion that was cut) and ``done`` (whether the solution
    ends with it). A completion without tokens has no step. Measures ``steps`` (of a completion).

    Raises:
        PipelineError: If the separator is empty.

    Example:
        >>> CutSteps().provides[:3]
        ('group', 'prompt', 'prompt_ids')
    """

    separator: str = "\n"
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        check_separator(self.name, self.separator)

    @property
    def requires(self) -> tuple[str, ...]:
        """The completions."""
        return ("group", "candidate", "prompt", "prompt_ids", "completion_ids", "finish")

    @property
    def provides(self) -> tuple[str, ...]:
        """The steps."""
        state = ("group", "prompt", "prompt_ids", "prefix_ids", "step")
        return (*state, "candidate", "completion_ids", "text", "finish", "done")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the steps of all completions."""
        with context.model().language(Member()) as model:
            pieces = self._pieces(table, model.decode)
            numbers = np.array([piece.number for piece in pieces], dtype=np.int32)
            origin = np.array([piece.row for piece in pieces], dtype=np.int64)
            context.tally.mean("steps", np.bincount(origin, minlength=table.num_rows))
            rows = self._behind(table.take(pa.array(origin)), [piece.before for piece in pieces], model.decode)
            return write(
                rows,
                step=numbers,
                candidate=numbers,
                completion_ids=int_lists(piece.ids for piece in pieces),
                text=pa.array([model.decode(piece.ids) for piece in pieces], pa.string()),
                finish=pa.array([piece.finish for piece in pieces], pa.string()),
                done=pa.array([piece.done for piece in pieces], pa.bool_()),
            )

    def _pieces(self, table: pa.Table, decode: Decode) -> list["Piece"]:
        """Return the steps of all rows."""
        pieces = []
        for row, (ids, why) in enumerate(zip(ids_of(table, "completion_ids"), texts_of(table, "finish"), strict=True)):
            ends = step_ends(ids, decode, self.separator)
            for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
                finish = why if end == len(ids) else "stop"
                done = end == len(ids) and why == "stop" and not ends_step(ids[start:], decode, self.separator)
                pieces.append(Piece(row, number, ids[:start], ids[start:end], finish, done))
        return pieces

    def _behind(self, rows: pa.Table, prefixes: list[list[int]], decode: Decode) -> pa.Table:
        """Return completions with the states that stand before a step of each."""
        names = zip(read(rows, "group").tolist(), read(rows, "candidate").tolist(), strict=True)
        prompts = zip(texts_of(rows, "prompt"), prefixes, strict=True)
        return write(
            rows,
            group=pa.array([f"{group} {candidate}" for group, candidate in names], pa.string()),
            prompt=pa.array([prompt + decode(prefix) for prompt, prefix in prompts], pa.string()),
            prompt_ids=int_lists(joined(ids_of(rows, "prompt_ids"), prefixes)),
            prefix_ids=int_lists(prefixes),
        )


class Piece(NamedTuple):
    """A step of a completion.

    Args:
        row: Whose.
        number: How many stand before it.
        before: Their tokens.
        ids: Its tokens.
        finish: Why it ended.
        done: Whether the solution ends with it.
    """

    row: int
    number: int
    before: list[int]
    ids: list[int]
    finish: str
    done: bool
