"""Encode: completions that are given as text, such as gold ones, as the tokens that the policy would write."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.generation.forward import Member
from lit_iterative.generation.language import LanguageModel
from lit_iterative.generation.prompt import Prompt
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import IDS, strings_of
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class Encode(Op):
    """Turns a given completion of every prompt into tokens, EOS at the end, as examples are encoded.

    ``GoldOwn`` prefers such a completion to the policy's own.

    Args:
        column: The column of texts, a field of the prompts. Cells may be empty.

    Requires the column; provides token ids in the column of this name and ``_ids``, empty where the text is, or where
    the tokenizer joins the end of the prompt and its beginning in one token, so that it does not follow the tokens of
    the prompt. Counts ``not_given`` and ``joined_with_prompt`` (rows).

    Raises:
        DataError: If prompt and completion are longer than the model's context, the tokenizer does not know a part of
            them, or the column holds no texts, when run.

    Example:
        >>> Encode("answer").provides
        ('answer_ids',)
    """

    column: str = "gold"

    @property
    def requires(self) -> tuple[str, ...]:
        """The texts."""
        return (self.column,)

    @property
    def provides(self) -> tuple[str, ...]:
        """Their tokens."""
        return (f"{self.column}_ids",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the tokens."""
        dataset: Any = context.pool.dataset
        places = context.pool.positions(read(table, "id")).tolist()
        given = list(zip(places, strings_of(table, self.column), strict=True))
        with context.model().language(Member()) as model:  # all candidates of a prompt have the same
            known = {
                (place, text): None if text is None else following(model, dataset[place]["prompt"], text)
                for place, text in set(given)
            }
        ids = [known[row] for row in given]
        empty = sum(text is None for _, text in given)
        context.tally.count("not_given", empty)
        context.tally.count("joined_with_prompt", ids.count(None) - empty)
        return write(table, **{f"{self.column}_ids": pa.array(ids, IDS)})


def following(model: LanguageModel, prompt: Prompt, text: str) -> list[int] | None:
    """Return the tokens of a completion with EOS; none where they do not follow those of the prompt.

    Args:
        model: Knows the tokens.
        prompt: In front of it.
        text: The completion.
    """
    before, after = model.encode_example(prompt, text)
    return after if before == model.encode(prompt) else None
