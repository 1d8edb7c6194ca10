"""CutSteps: the steps of whole completions."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.generation.forward import Member
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.steps import check_separator, ends_step, step_ends
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
        whole, finish = ids_of(table, "completion_ids"), texts_of(table, "finish")
        with context.model().language(Member()) as model:
            ends = [step_ends(ids, model.decode, self.separator) for ids in whole]
            context.tally.mean("steps", [len(places) for places in ends])
            spans = [(row, start, end) for row, places in enumerate(ends) for start, end in _spans(places)]
            last = [end == len(whole[row]) for row, _, end in spans]
            steps = [whole[row][start:end] for row, start, end in spans]
            prefixes = [whole[row][:start] for row, start, _ in spans]
            why = [finish[row] if is_last else "stop" for (row, _, _), is_last in zip(spans, last, strict=True)]
            done = [
                is_last and reason == "stop" and not ends_step(step, model.decode, self.separator)
                for is_last, reason, step in zip(last, why, steps, strict=True)
            ]
            origin = np.array([row for row, _, _ in spans], dtype=np.int64)
            number = np.array([k for places in ends for k in range(len(places))], dtype=np.int32)
            prompts, before = texts_of(table, "prompt"), ids_of(table, "prompt_ids")
            names = zip(read(table, "group").tolist(), read(table, "candidate").tolist(), strict=True)
            named = [f"{group} {candidate}" for group, candidate in names]
            return write(
                table.take(pa.array(origin)),
                group=pa.array([named[row] for row in origin], pa.string()),
                prompt=pa.array([prompts[r] + model.decode(p) for r, p in zip(origin, prefixes, strict=True)]),
                prompt_ids=int_lists([*before[r], *p] for r, p in zip(origin, prefixes, strict=True)),
                prefix_ids=int_lists(prefixes),
                step=number,
                candidate=number,
                completion_ids=int_lists(steps),
                text=pa.array([model.decode(step) for step in steps], pa.string()),
                finish=pa.array(why, pa.string()),
                done=pa.array(done, pa.bool_()),
            )


def _spans(ends: list[int]) -> list[tuple[int, int]]:
    """Return where the steps that end in these places begin and end."""
    return list(zip([0, *ends], ends, strict=False))
