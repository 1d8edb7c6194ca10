r"""WriteLike: another model writes new items like those of the rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa

from lit_iterative.answers.patterns import compile_safe
from lit_iterative.columns import read, write
from lit_iterative.errors import PipelineError
from lit_iterative.generation.forward import Member
from lit_iterative.generation.language import Sampling
from lit_iterative.generation.respondent import Answer, Respondent
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.propose.hint import cells_of, filled, places_of
from lit_iterative.ops.language.tokens import int_lists
from lit_iterative.ops.op import Op
from lit_iterative.seeds import derive_seed

FORM = r"\s*Question:(?P<prompt>[^\x00]*)\nAnswer:(?P<completion>[^\x00]*)"
#: Characters of a reply that are searched.
LONGEST = 20_000


class Item(NamedTuple):
    """A prompt with its completion.

    Args:
        prompt: The prompt.
        completion: The completion.
    """

    prompt: str
    completion: str


@dataclass(frozen=True)
class WriteLike(Op):
    r"""Asks a writer for new items, each with its completion, like the item of each row; they are what is trained on.

    LLM2LLM (Lee et al., 2024, arXiv:2403.15042) lets a larger model write like the items on which the policy fails: put
    this behind what verifies, and ``Threshold(0.5, scores.correct, keep_above=False)``. With the merge ``Accumulate``
    the items of all rounds stay.

    Args:
        writer: Who writes: a model in this process (``LocalJudge``) or behind HTTP.
        template: What it reads: a text with names of columns in braces, ``{prompt}`` among them.
        form: A regular expression that a whole reply must match, with the groups ``prompt`` and ``completion``; blanks
            around both are cut off.
        n: Items for each row.
        sampling: How they are drawn.

    Requires the columns named. A row becomes as many as there are readable replies, each with the row's id; provides
    ``prompt``, ``prompt_ids``, ``text``, ``completion_ids`` (with EOS), ``like`` (the prompt that was read), ``source``
    (the class of the writer) and ``weight``, 1. Counts ``written``, ``unanswered``, ``unfinished``, ``unreadable``,
    and what the writer counts.

    Raises:
        PipelineError: If ``n`` is below 1, the template has no prompt, or the form is wrong or lacks a group.
        DataError: If a cell to fill in is empty, or an item is longer than the policy's context, when run.

    Example:
        >>> from lit_iterative.ops.language.score.judges import LocalJudge
        >>> WriteLike(LocalJudge("my/model"), "Like {prompt}, whose answer is {answer}:").requires
        ('answer', 'prompt')
    """

    writer: Respondent
    template: str
    form: str = FORM
    n: int = 1
    sampling: Sampling = field(default_factory=Sampling)
    runs_model: ClassVar[bool] = True

    def __post_init__(self) -> None:
        places_of(self.name, self.template)
        groups = compile_safe(self.form).groupindex
        if self.n < 1 or not {"prompt", "completion"} <= set(groups):
            raise PipelineError(
                f"WriteLike has n={self.n} and the form {self.form!r}. Give n of at least 1, and a form with the "
                "groups (?P<prompt>...) and (?P<completion>...)."
            )

    @property
    def requires(self) -> tuple[str, ...]:
        """What is filled in."""
        return tuple(sorted(places_of(self.name, self.template)))

    @property
    def provides(self) -> tuple[str, ...]:
        """The items."""
        return ("prompt", "prompt_ids", "text", "completion_ids", "like", "source", "weight")

    @property
    def consumes(self) -> tuple[str, ...]:
        """Why the completion ended that the row was about."""
        return ("finish",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return a row for each item that was written."""
        items = [self._item(answer, context) for answer in self._answers(table, context)]
        found = [place for place, item in enumerate(items) if item is not None]
        written = [item for item in items if item is not None]
        with context.model().language(Member()) as model:
            ids = [model.encode_example(item.prompt, item.completion) for item in written]
        rows = table.take(pa.array(np.array(found, dtype=np.int64) // self.n))
        made = rows.drop_columns([name for name in self.consumes if name in rows.column_names])
        return write(
            made,
            like=rows.column("prompt"),
            prompt=pa.array([item.prompt for item in written], pa.string()),
            prompt_ids=int_lists([before for before, _ in ids]),
            text=pa.array([item.completion for item in written], pa.string()),
            completion_ids=int_lists([after for _, after in ids]),
            source=pa.array([type(self.writer).__name__] * len(written), pa.string()).dictionary_encode(),
            weight=np.ones(len(written), dtype=np.float32),
        )

    def _answers(self, table: pa.Table, context: Context) -> Sequence[Answer | None]:
        """Return what the writer says, ``n`` times for each row."""
        texts = [filled(self.template, row) for row in cells_of(table, list(self.requires)) for _ in range(self.n)]
        ids, numbers = read(table, "id").tolist(), range(self.n)
        seeds = [derive_seed(context.seed, self.name, context.round, str(id), k) for id in ids for k in numbers]
        share = len(set(ids)) / len(context.pool)
        with self.writer.session(context.model, share) as session:
            answers = session.answers(texts, seeds, self.sampling) if texts else []
        for name in sorted(session.counts):
            context.tally.count(name, session.counts[name])
        return answers

    def _item(self, answer: Answer | None, context: Context) -> Item | None:
        """Return the item in a reply, and count what became of it."""
        text = None if answer is None or answer.finish == "length" or len(answer.text) > LONGEST else answer.text
        match = None if text is None else re.fullmatch(self.form, text)
        item = None if match is None else Item(match["prompt"].strip(), match["completion"].strip())
        readable = item is not None and all(item)
        cut = answer is not None and answer.finish == "length"
        context.tally.count("unanswered", int(answer is None))
        context.tally.count("unfinished", int(cut))
        context.tally.count("unreadable", int(answer is not None and not cut and not readable))
        context.tally.count("written", int(readable))
        return item if readable else None
