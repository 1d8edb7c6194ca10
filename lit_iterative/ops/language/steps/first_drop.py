"""FirstDrop: the step with which a solution went wrong."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import scores_of
from lit_iterative.ops.language.tokens import ids_of, int_lists, spans, texts_of
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class FirstDrop(Op):
    """Keeps of every solution the first step after which its value is lower: the critical one.

    Setlur et al., 2024 (arXiv:2406.14532) find the spurious step of an incorrect solution in this way, and train on a
    preference at the prefix before it. What is left is the state before the step, from which ``NextSteps`` draws
    others; the step itself is given beside it.

    Args:
        score: The value after each step, as ``StepValue`` gives it.
        before: The value of the prompt, before the first step, as ``PassRate`` gives it.
        margin: What the value must fall by more than.
        column: Name of the critical step.

    Requires ``group``, the two values, ``text`` and ``completion_ids``; the steps of a group are those of one solution,
    in order. Provides a row a solution with the columns of the state before the step, the step's text in the column
    and its tokens in ``<column>_ids``, and ``scores.<column>``, its value. Consumes ``candidate``, ``completion_ids``,
    ``text``, ``finish`` and ``done``. Counts ``without_drop`` and ``value_unknown`` (solutions), and measures ``drop``.

    Raises:
        PipelineError: If the margin is negative.
        DataError: If a value is infinite, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> values = {"pass_rate": [0.5, 0.5, 0.5], "scores.value": [0.75, 0.25, 0.0]}
        >>> table = candidates(["1+1=2,", "2+2=5,", "5+3=8"], **values)
        >>> FirstDrop()(table, Context(Pool([0], 1))).select(["critical", "scores.critical"]).to_pylist()
        [{'critical': '2+2=5,', 'scores.critical': 0.25}]
    """

    score: str = "scores.value"
    before: str = "pass_rate"
    margin: float | Schedule = 0.0
    column: str = "critical"
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        check_range("FirstDrop(margin)", self.margin, 0)

    @property
    def requires(self) -> tuple[str, ...]:
        """The steps and their values."""
        return ("group", self.score, self.before, "text", "completion_ids")

    @property
    def provides(self) -> tuple[str, ...]:
        """The critical step."""
        return (self.column, f"{self.column}_ids", f"scores.{self.column}")

    @property
    def consumes(self) -> tuple[str, ...]:
        """What the step had as a candidate."""
        return ("candidate", "completion_ids", "text", "finish", "done")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the critical steps."""
        after, start_value = scores_of(table, self.score), scores_of(table, self.before)
        rows = []
        for start, end in spans(table):
            fall = -np.diff(np.concatenate([start_value[start : start + 1], after[start:end]]))
            low = np.flatnonzero(fall > number(self.margin))  # of an unknown value none
            context.tally.count("value_unknown", int(np.isnan(fall).any()))
            context.tally.count("without_drop", int(not len(low)))
            if len(low):
                rows.append(start + int(low[0]))
                context.tally.mean("drop", fall[low[0]])
        table = table.take(pa.array(rows, pa.int64()))
        made = {
            self.column: pa.array(texts_of(table, "text"), pa.string()),
            f"{self.column}_ids": int_lists(ids_of(table, "completion_ids")),
            f"scores.{self.column}": read(table, self.score).astype(np.float64),
        }
        return write(table.drop_columns([name for name in self.consumes if name in table.column_names]), **made)
