"""WrittenPrompts: the rest of the round works on what was written in it, and on nothing else."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.generation.endings import check_prompts
from lit_iterative.generation.forward import Member
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import column_of, int_lists
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class WrittenPrompts(Op):
    """Takes the prompts that ``SelfInstruct`` wrote in place of those of the pool, a row for each.

    A row keeps the id of the input on whose behalf the prompt was written. To keep the prompts for later rounds as
    well, put ``AddPrompts`` before it.

    Args:
        ending: What is put behind each prompt.

    Requires ``written``, which it takes away; provides ``prompt`` and ``prompt_ids``. Measures ``prompt_tokens``.

    Raises:
        DataError: If a prompt has no tokens or is as long as the model's context, when run.

    Example:
        >>> WrittenPrompts(ending="=").provides
        ('prompt', 'prompt_ids')
    """

    ending: str = ""

    @property
    def requires(self) -> tuple[str, ...]:
        """What was written."""
        return ("written",)

    @property
    def provides(self) -> tuple[str, ...]:
        """Text and tokens."""
        return ("prompt", "prompt_ids")

    @property
    def consumes(self) -> tuple[str, ...]:
        """What was written."""
        return ("written",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return a row for each written prompt."""
        written = [row or [] for row in column_of(table, "written").to_pylist()]
        rows = np.repeat(np.arange(len(written)), [len(texts) for texts in written]).astype(np.int64)
        texts = [text + self.ending for row in written for text in row]
        with context.model().language(Member()) as model:
            ids = [model.encode(text) for text in texts]
            check_prompts(ids, model.context)
        context.tally.mean("prompt_tokens", [len(row) for row in ids])
        made = table.take(pa.array(rows)).drop_columns(["written"])
        return write(made, prompt=pa.array(texts, pa.string()), prompt_ids=int_lists(ids))
