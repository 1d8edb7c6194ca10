"""Join: several texts as one completion."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lit_iterative.columns import keep, read, write
from lit_iterative.errors import PipelineError
from lit_iterative.generation.forward import Member
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.propose.encode import following
from lit_iterative.ops.language.tokens import int_lists, texts_of
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class Join(Op):
    """Makes one completion of several texts, in place of the one that was there.

    It is tokenised as examples are, with EOS. Put it behind ``Rewrite`` of the parts that ``Split`` made.

    Args:
        columns: The texts, in order.
        separator: What stands between them.
        draft: The column that the text goes to which was there.

    Requires the columns and ``text``; provides ``text``, ``completion_ids``, ``finish`` (``length`` where a part was
    cut, which the column of its name and ``_finish`` tells, where there is one) and the draft. A row whose tokens do
    not follow those of its prompt goes. Counts ``joined_with_prompt`` (such rows).

    Raises:
        PipelineError: If there are no columns.
        DataError: If a completion is longer than the model's context, when run.

    Example:
        >>> Join(["first", "second"]).requires
        ('first', 'second', 'text')
    """

    columns: list[str]
    separator: str = ""
    draft: str = "draft"

    def __post_init__(self) -> None:
        if not self.columns:
            raise PipelineError("Join has no columns. Name the texts that are joined.")

    @property
    def requires(self) -> tuple[str, ...]:
        """The texts, and what was there."""
        return tuple(dict.fromkeys([*self.columns, "text"]))

    @property
    def provides(self) -> tuple[str, ...]:
        """The completion, and what was there."""
        return ("text", "completion_ids", "finish", self.draft)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the completions."""
        before, parts = texts_of(table, "text"), [texts_of(table, name) for name in self.columns]
        texts = [self.separator.join(row) for row in zip(*parts, strict=True)]
        ids = _encoded(table, texts, context)
        context.tally.count("joined_with_prompt", ids.count(None))
        made = write(
            table,
            text=pa.array(texts, pa.string()),
            completion_ids=int_lists([row or [] for row in ids]),
            finish=pa.array(["length" if cut else "stop" for cut in self._cut(table)], pa.string()),
            **{self.draft: pa.array(before, pa.string())},
        )
        return keep(made, np.array([row is not None for row in ids], dtype=bool))

    def _cut(self, table: pa.Table) -> list[bool]:
        """Return whether a part of each row was cut."""
        names = [f"{name}_finish" for name in self.columns if f"{name}_finish" in table.column_names]
        ends = [texts_of(table, name) for name in names]
        return ["length" in row for row in zip(*ends, strict=True)] if ends else [False] * table.num_rows


def _encoded(table: pa.Table, texts: list[str], context: Context) -> list[list[int] | None]:
    """Return the tokens of completions; none where they do not follow those of their prompt."""
    dataset: Any = context.pool.dataset
    prompts = [dataset[place]["prompt"] for place in context.pool.positions(read(table, "id")).tolist()]
    with context.model().language(Member()) as model:
        return [following(model, prompt, text) for prompt, text in zip(prompts, texts, strict=True)]
