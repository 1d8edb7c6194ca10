"""Hints: contexts to sample from that are not the context to train on."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.generation.forward import Member
from lit_iterative.generation.prompt import Prompt
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import column_of, int_lists
from lit_iterative.ops.op import Op

PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Hint(Op):
    r"""Adds a second context for every prompt: the prompt with a hint, such as the answer.

    ``Sample(context="context_ids")`` continues it, while training sees ``prompt_ids``, without the hint. STaR (Zelikman
    et al., 2022, arXiv:2203.14465, section 3.3) hints the answer, for prompts that were not solved without: see
    ``Rationalise``. A principle that good answers follow is a hint too.

    Args:
        template: What is read: a text with the places ``{prompt}`` and the names of other columns, such as
            ``{answer}``. Only such places are filled, once: braces in a prompt stay what they are.

    Requires ``prompt`` and the columns named; provides ``context_ids`` (token ids) and ``hinted`` (true). Of a prompt
    that is a list of chat messages, the last user's message is replaced by the filled template.

    Raises:
        PipelineError: If the template has no place for the prompt.
        DataError: If a cell to fill in is empty, when run.

    Example:
        >>> Hint("{prompt}\nThe answer is {answer}. Why?\n").requires
        ('prompt', 'answer')
    """

    template: str

    def __post_init__(self) -> None:
        places_of(self.name, self.template)

    @property
    def requires(self) -> tuple[str, ...]:
        """The prompt and what is filled in."""
        return ("prompt", *(name for name in places_of(self.name, self.template) if name != "prompt"))

    @property
    def provides(self) -> tuple[str, ...]:
        """The context."""
        return ("context_ids", "hinted")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the contexts."""
        texts = [filled(self.template, row) for row in cells_of(table, self.requires)]
        hinted = pa.array([True] * table.num_rows, pa.bool_())
        return write(table, context_ids=int_lists(encoded(table, texts, context)), hinted=hinted)


@dataclass(frozen=True)
class Contexts(Op):
    """Repeats every prompt, once in each of several contexts, for contrastive prompts.

    RLCD (Yang et al., 2023, arXiv:2307.12950) samples from a context that asks for a good answer and from one that asks
    for a bad one, and prefers the first, without any judge: ``Contexts``, then ``Sample(context="context_ids")``, then
    ``ContrastivePrompts``. Training sees ``prompt_ids``.

    Args:
        templates: What is read, by the name of the context; texts with places as in ``Hint``. At least two.

    Requires ``prompt`` and the columns named; provides, with a row for each context, ``context`` (its name),
    ``context_ids`` (token ids) and ``group`` (the prompt's id).

    Raises:
        PipelineError: If there are fewer than two contexts, or a template has no place for the prompt.
        DataError: If a cell to fill in is empty, when run.

    Example:
        >>> Contexts({"positive": "Be kind. {prompt}", "negative": "Be rude. {prompt}"}).provides
        ('context', 'context_ids', 'group')
    """

    templates: dict[str, str]

    def __post_init__(self) -> None:
        if len(self.templates) < 2:
            raise PipelineError(
                f"Contexts has the templates {self.templates}. Give at least two, for example positive and negative, "
                "or use Hint."
            )
        for template in self.templates.values():
            places_of(self.name, template)

    @property
    def requires(self) -> tuple[str, ...]:
        """The prompt and what is filled in."""
        places = [name for template in self.templates.values() for name in places_of(self.name, template)]
        return tuple(dict.fromkeys(["prompt", *places]))

    @property
    def provides(self) -> tuple[str, ...]:
        """The contexts."""
        return ("context", "context_ids", "group")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the prompts in all contexts."""
        texts = [filled(text, row) for row in cells_of(table, self.requires) for text in self.templates.values()]
        rows = table.take(pa.array(np.repeat(np.arange(table.num_rows), len(self.templates))))
        return write(
            rows,
            context=pa.array([*self.templates] * table.num_rows, pa.string()),
            context_ids=int_lists(encoded(rows, texts, context)),
            group=rows.column("id"),
        )


def places_of(op: str, template: str) -> list[str]:
    """Return the names of the places of a template, each once.

    Raises:
        PipelineError: If the prompt is not among them.

    Example:
        >>> places_of("Hint", "{answer} is the answer to {prompt}. Say {}, {1 + 1} and {answer}.")
        ['answer', 'prompt']
    """
    places = list(dict.fromkeys(PLACE.findall(template)))
    if "prompt" not in places:
        raise PipelineError(f"The template {template!r} of {op} has no {{prompt}}. Say where the prompt stands.")
    return places


def filled(template: str, values: Mapping[str, Any]) -> str:
    """Return a template with its places filled; what is filled in is not looked at.

    Example:
        >>> filled("{prompt} {answer}", {"prompt": "{answer} {0.__class__}", "answer": 4})
        '{answer} {0.__class__} 4'
    """
    return PLACE.sub(lambda place: str(values[place[1]]), template)


def cells_of(table: pa.Table, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the cells to fill in, row by row.

    Raises:
        DataError: If the table has no such column, or a cell is empty.

    Example:
        >>> cells_of(pa.table({"prompt": ["1+1="], "final": ["2"]}), ["final"])
        [{'final': '2'}]
    """
    for name in names:
        missing = column_of(table, name).null_count
        if missing:
            raise DataError(
                f"A template has a place for {name!r}, which is empty in {missing} of {table.num_rows} rows. Give "
                "these prompts the field, or leave them out."
            )
    rows: list[dict[str, Any]] = table.select(list(names)).to_pylist()
    return rows


def encoded(table: pa.Table, texts: Sequence[str], context: Context) -> list[list[int]]:
    """Return the tokens of texts that stand in place of the prompts.

    Args:
        table: Rows with an ``id``.
        texts: One a row. Of a prompt that is a list of chat messages, it takes the place of the last user's.
        context: The round.
    """
    dataset: Any = context.pool.dataset
    items = [dataset[int(place)] for place in context.pool.positions(read(table, "id"))]
    with context.model().language(Member()) as model:
        return [model.encode(_replaced(item, text)) for item, text in zip(items, texts, strict=True)]


def _replaced(item: Any, text: str) -> Prompt:
    """Return the prompt of an item with another text; of chat messages, the last user's, or the last, is replaced."""
    prompt = item.get("prompt") if isinstance(item, dict) else None
    if not isinstance(prompt, list):
        return text
    users = [place for place, message in enumerate(prompt) if message["role"] == "user"]
    last = users[-1] if users else len(prompt) - 1
    return [{**message, "content": text} if place == last else message for place, message in enumerate(prompt)]
