"""AcceptGiven: given completions as rows to train on."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.given_pairs import Given
from lit_iterative.ops.language.builders.groups import weighted
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class AcceptGiven(Op):
    """Takes the given completion of every prompt to be imitated, without asking the policy.

    A round of it teaches what later rounds begin with, for example an expert's trajectories (see ``Demonstrate``).

    Args:
        gold: The column of given completions as text; their token ids, with EOS, are in the column of this name and
            ``_ids``, which ``Encode`` provides, and their masks, if any, in that of this name and ``_mask``. Rows with
            an empty cell are dropped.

    Requires the two gold columns; provides ``text``, ``completion_ids``, ``weight`` (one that is there stays a factor)
    and, where there are masks, ``completion_mask``. Counts ``given`` and ``not_given`` (rows).

    Raises:
        DataError: If gold ids are no lists of integers, when run.

    Example:
        >>> from lit_iterative.pool import Pool
        >>> table = pa.table({"id": [0, 1], "gold": ["4", None], "gold_ids": [[52, 2], None]})
        >>> AcceptGiven()(table, Context(Pool([0, 0], 1))).select(["id", "text", "completion_ids"]).to_pylist()
        [{'id': 0, 'text': '4', 'completion_ids': [52, 2]}]
    """

    gold: str = "gold"

    @property
    def requires(self) -> tuple[str, ...]:
        """The given completions."""
        return (self.gold, f"{self.gold}_ids")

    @property
    def provides(self) -> tuple[str, ...]:
        """The rows to train on."""
        return ("text", "completion_ids", "weight")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows that have a given completion."""
        given = Given.of(table, self.gold, f"{self.gold}_ids")
        rows = np.array([*given.keys], dtype=np.int64)
        side = given.side(rows, 1.0)
        made = table.take(pa.array(rows))
        columns = {"text": side.text, "completion_ids": side.ids, "completion_mask": side.mask}
        for name, column in columns.items():
            if column is not None:
                made = made.drop_columns([name] if name in made.column_names else []).append_column(name, column)
        context.tally.count("given", made.num_rows)
        context.tally.count("not_given", table.num_rows - made.num_rows)
        return weighted(made, np.ones(made.num_rows))
