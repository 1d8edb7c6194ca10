"""Rewrite: the policy writes once more, from a template that is filled with what was written before."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read, write
from lit_iterative.errors import PipelineError
from lit_iterative.generation.language import Sampling
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.propose.hint import PLACE, cells_of, encoded, filled
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.language.tokens import column_of, ids_of, int_lists, spans, texts_of
from lit_iterative.ops.op import Scope

#: What a candidate has written itself.
OWN = ("completion_ids", "finish", "text", "source")


@dataclass(frozen=True)
class Rewrite(ModelOp):
    r"""Writes a text for every candidate, from a template that is filled with the columns of its row.

    A critique, a revision, a translation and an expansion differ in the template alone. What is written goes to a
    column of its own, which later templates and scorers read, or becomes the candidate itself. SELF (Lu et al., 2023,
    arXiv:2310.00533) critiques a completion and then rewrites it:
    ``Sample``, ``Rewrite("{prompt}{text}\nFeedback:", "critique")``,
    ``Rewrite("{prompt}{text}\nFeedback: {critique}\nBetter:")``.

    Args:
        template: What is read: a text with names of columns in braces, such as ``{prompt}`` and ``{text}``. Only such
            places are filled, once.
        column: Where it goes; ``text`` makes it the candidate: completion, end and source are replaced as well.
        n: Texts for each candidate, each in a row of its own.
        sampling: How they are drawn.
        actor: Who writes.
        keep: Whether the candidates that were read stay, each in front of what was written from it; only where
            ``column`` is ``text``.
        stream: Name of the draws; that of the column when left out. Give two of one pipeline different ones.
        tags: Columns in which what is written has the value of another column, such as ``{origin: twin_language}``
            for a translation.

    Requires ``group`` and the columns named; provides ``candidate`` (numbers in each group from 0) and the column, with
    why it ended in that of its name and ``_finish``; for ``text`` ``completion_ids``, ``finish`` and ``source``. Scores
    and all other columns stay those of what was read: put scorers behind. Of a prompt that is a list of chat messages,
    the last user's is replaced by the filled template. Counts and measures what ``Sample`` does.

    Raises:
        PipelineError: If the template has no place, ``n`` is below 1, or ``keep`` is set for another column.
        DataError: If a cell to fill in is empty, or rows of a group stand apart, when run.

    Example:
        >>> Rewrite("{prompt}{text}\nFeedback:", "critique").requires
        ('group', 'prompt', 'text')
    """

    template: str
    column: str = "text"
    n: int = 1
    sampling: Sampling = field(default_factory=Sampling)
    actor: Actor = field(default_factory=Policy)
    keep: bool = False
    stream: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        if not PLACE.findall(self.template):
            raise PipelineError(
                f"The template {self.template!r} of Rewrite has no place. Name a column, as in {{text}}."
            )
        if self.n < 1:
            raise PipelineError(f"Rewrite(n) is {self.n}. Write at least one text for each candidate.")
        if self.keep and self.column != "text":
            raise PipelineError(
                f"Rewrite(keep=True) adds candidates, but what is written goes to {self.column!r}, beside those that "
                "there are. Leave keep out, or let column be text."
            )

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates and what is filled in."""
        own = OWN if self.keep else ()
        return tuple(dict.fromkeys(["group", *PLACE.findall(self.template), *own, *self.tags, *self.tags.values()]))

    @property
    def provides(self) -> tuple[str, ...]:
        """What is written."""
        return ("candidate", *self._written_to, *self.tags)

    @property
    def _written_to(self) -> dict[str, str]:
        """The columns that are written, and what of a completion goes there."""
        if self.column == "text":
            return {name: name for name in OWN}
        return {self.column: "text", f"{self.column}_finish": "finish"}

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the candidates with what was written for them."""
        bounds = spans(table)
        made = self._written(table, context)
        rows = table.take(pa.array(np.repeat(np.arange(table.num_rows), self.n)))
        rows = write(rows, **{name: made.column(own) for name, own in self._written_to.items()})
        for name in (*self.tags, *self.tags.values()):
            read(table, name)  # refuses empty cells
        rows = write(rows, **{name: column_of(rows, other) for name, other in self.tags.items()})
        times = self.n
        if self.keep:
            order = np.argsort([*range(table.num_rows), *np.repeat(np.arange(table.num_rows), self.n)], kind="stable")
            times, rows = self.n + 1, _both(table, rows).take(pa.array(order))
        return write(rows, candidate=_numbers([times * (end - start) for start, end in bounds]))

    def _written(self, table: pa.Table, context: Context) -> pa.Table:
        """Return completions of the filled template, ``n`` a row."""
        names = list(dict.fromkeys(PLACE.findall(self.template)))
        texts = [filled(self.template, row) for row in cells_of(table, names)]
        given = write(table.select(["id"]), filled_ids=int_lists(encoded(table, texts, context)))
        return Sample(self.n, self.sampling, self.actor, "filled_ids", self.stream or self.column)(given, context)


def _both(table: pa.Table, rows: pa.Table) -> pa.Table:
    """Return the rows of both tables, but for their ``candidate``; the second may have another dictionary."""
    ids_of(table, "completion_ids")
    for name in ("finish", "text", "source"):
        texts_of(table, name)
    names = [name for name in table.column_names if name != "candidate"]
    plain = [write(part, source=pa.array(texts_of(part, "source"), pa.string())) for part in (table, rows)]
    both = pa.concat_tables([part.select(names) for part in plain])
    return write(both, source=both.column("source").combine_chunks().dictionary_encode())


def _numbers(sizes: list[int]) -> Array:
    """Return the number of every candidate in its group, from 0, ``(rows,)`` int32.

    Example:
        >>> _numbers([2, 1]).tolist()
        [0, 1, 0]
    """
    return np.concatenate([np.zeros(0, np.int32), *(np.arange(size, dtype=np.int32) for size in sizes)])
