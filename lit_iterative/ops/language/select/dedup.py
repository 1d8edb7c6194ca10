"""DedupTokens: every completion of a prompt once."""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import keep, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import keys_of, repeats, spans
from lit_iterative.ops.op import Op, Scope


@dataclass(frozen=True)
class DedupTokens(Op):
    """Drops candidates whose tokens came before in their group, and notes how often each was drawn.

    Put it before scorers that cost much, so that they judge every completion once. Put it after ops that count
    candidates, such as a vote or a pass rate: for them a completion that was drawn three times is three votes.

    Requires ``group`` and ``completion_ids``; provides ``copies`` (int32), the number of equal candidates, itself
    among them. Counts ``duplicates``.

    Raises:
        DataError: If rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["7", "9", "7"])
        >>> DedupTokens()(table, Context(Pool([0], 1))).select(["text", "copies"]).to_pylist()
        [{'text': '7', 'copies': 2}, {'text': '9', 'copies': 1}]
    """

    scope: ClassVar[Scope] = "group"

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates."""
        return ("group", "completion_ids")

    @property
    def provides(self) -> tuple[str, ...]:
        """How often each was drawn."""
        return ("copies",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the first of equal candidates."""
        completions = keys_of(table, "completion_ids")
        groups = [group for group, (start, end) in enumerate(spans(table)) for _ in range(start, end)]
        keys = list(zip(groups, completions, strict=True))
        again, copies = repeats(keys), Counter(keys)
        context.tally.count("duplicates", int(again.sum()))
        return keep(write(table, copies=np.array([copies[key] for key in keys], dtype=np.int32)), ~again)
