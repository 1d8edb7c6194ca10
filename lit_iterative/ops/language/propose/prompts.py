"""Prompts: the inputs of the pool as text and as the tokens that the policy reads."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError
from lit_iterative.generation.endings import check_prompts
from lit_iterative.generation.forward import Member
from lit_iterative.generation.prompt import text_of
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import int_lists
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class Prompts(Op):
    """Reads the prompt of every input, and encodes it.

    An item of the pool is a dictionary with ``prompt``, a text or a list of chat messages. Only the fields that are
    named become columns: what is not named, such as an answer key, no op can see.

    Args:
        fields: Further fields to read, for example ``[answer]`` for verifiers. ``null`` in an item stays null.

    Provides:
        ``prompt`` (string; of chat messages, the last user's), ``prompt_ids`` (token ids), and the fields.

    Raises:
        DataError: If an item is no dictionary, or lacks the prompt or a field, or a prompt has no tokens or is as long
            as the model's context, when run.

    Example:
        >>> Prompts(["answer"]).provides
        ('prompt', 'prompt_ids', 'answer')
    """

    fields: list[str] = field(default_factory=list)

    @property
    def provides(self) -> tuple[str, ...]:
        """Text, tokens and fields."""
        return ("prompt", "prompt_ids", *self.fields)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the prompts."""
        return next(self.map([table], context))

    def map(self, shards: Iterable[pa.Table], context: Context) -> Iterator[pa.Table]:
        """Read shard after shard; a field has the same type in all of them, which the whole pool decides."""
        kinds = {name: self._kind(name, context) for name in self.fields}
        for shard in shards:
            yield self._read(shard, kinds, context)

    def _read(self, table: pa.Table, kinds: Mapping[str, pa.DataType], context: Context) -> pa.Table:
        items = [self._item(place, context) for place in context.pool.positions(read(table, "id"))]
        with context.model().language(Member()) as model:
            ids = [model.encode(item["prompt"]) for item in items]
            check_prompts(ids, model.context)  # now, and not when half of the pool is sampled
        columns: dict[str, Any] = {
            "prompt": pa.array([text_of(item["prompt"]) for item in items], pa.string()),
            "prompt_ids": int_lists(ids),
        }
        columns |= {name: pa.array([item[name] for item in items], kind) for name, kind in kinds.items()}
        context.tally.mean("prompt_tokens", [len(row) for row in ids])
        return write(table, **columns)

    def _item(self, place: int, context: Context) -> dict[str, Any]:
        dataset: Any = context.pool.dataset
        item, wanted = dataset[int(place)], {"prompt", *self.fields}
        if not isinstance(item, dict) or not wanted <= set(item):
            has = sorted(item) if isinstance(item, dict) else type(item).__name__
            raise DataError(
                f"An item of the pool has {has}, but Prompts reads {sorted(wanted)}. Add the missing fields to the "
                "prompts, or name fewer of them in Prompts(fields=[...])."
            )
        return item

    def _kind(self, name: str, context: Context) -> pa.DataType:
        """Return the type of a field's values."""
        values = [self._item(place, context)[name] for place in range(len(context.pool))]
        try:
            kind = pa.array(values).type
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(f"The field {name!r} has values of several types ({error}). Give it one type.") from error
        return pa.string() if pa.types.is_null(kind) else kind
