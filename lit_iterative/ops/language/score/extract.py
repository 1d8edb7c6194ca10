"""ExtractAnswer: the final answer of every completion."""

from dataclasses import dataclass, field

import pyarrow as pa

from lit_iterative.answers.extract import Extractor, LastNumber
from lit_iterative.columns import write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.contain import each
from lit_iterative.ops.language.tokens import texts_of
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class ExtractAnswer(Op):
    r"""Finds the final answer in every completion.

    Requires ``text``; provides ``final``, a string, empty where there is none. Counts ``no_answer``, and
    ``extractor_errors`` for texts on which an extractor of your own raises; these have no answer.

    Args:
        extractor: Where in the text the answer stands.

    Raises:
        DataError: If the extractor raises on every row of a shard, when run.

    Example:
        >>> from lit_iterative.answers import AfterMarker
        >>> from lit_iterative.pool import Pool
        >>> context = Context(Pool([0], 1))
        >>> table = pa.table({"id": [1, 2], "text": ["7 + 5 = 12\n#### 12", "I do not know."]})
        >>> ExtractAnswer(AfterMarker())(table, context)["final"].to_pylist()
        ['12', None]
        >>> context.tally.values()
        {'extractor_errors': 0, 'no_answer': 1}
    """

    extractor: Extractor = field(default_factory=LastNumber)

    @property
    def requires(self) -> tuple[str, ...]:
        """The completions."""
        return ("text",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The answers."""
        return ("final",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the answers."""
        texts = texts_of(table, "text")
        finals = each(range(len(texts)), lambda row: self.extractor(texts[row]), "extractor", table, context)
        context.tally.count("no_answer", sum(final is None for final in finals))
        valid = [None if final is None else final.encode("utf-8", "replace").decode() for final in finals]
        return write(table, final=pa.array(valid, pa.string()))
