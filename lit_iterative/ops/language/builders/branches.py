"""Branches: several pipelines over the same candidates, whose rows are trained on together."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.steps.nested import needed
from lit_iterative.ops.merge import joined
from lit_iterative.ops.op import Op, Scope


@dataclass(frozen=True)
class Branches(ModelOp):
    """Runs several lists of ops on the same rows, and puts what they make behind each other, input by input.

    So a round has two builders, or two kinds of rows: pairs of answers and pairs of judgements, rows for the policy and
    rows for a reward model. ``Constant`` at the end of a branch tells where a row comes from.

    Args:
        branches: At least two lists of ops that work on rows or groups.

    Requires what the branches require, and provides what all of them provide. Of columns that only some of them
    provide, those stay that were there before. Counts and measures what their ops do, added up.

    Raises:
        PipelineError: If there are fewer than two branches, one is empty, or an op needs the whole table.
        DataError: If branches leave different types in a column, when run.

    Example:
        >>> from lit_iterative.ops import Constant
        >>> from lit_iterative.ops.language import BestWorst, GoldOwn
        >>> Branches([[BestWorst(), Constant("kind", "own")], [GoldOwn(), Constant("kind", "gold")]]).provides[:3]
        ('chosen', 'rejected', 'chosen_ids')
    """

    branches: list[list[Op]]
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        if len(self.branches) < 2 or not all(self.branches):
            raise PipelineError(
                f"Branches has branches of {[len(ops) for ops in self.branches]} ops. Give at least two, each with an "
                "op, or put the ops into the pipeline itself."
            )
        for op in (op for ops in self.branches for op in ops):
            if op.scope == "global":
                raise PipelineError(f"{op.name} needs the whole table, which a branch has not. Put it behind Branches.")

    @property
    def requires(self) -> tuple[str, ...]:
        """The groups, and what the branches read and do not make themselves."""
        return tuple(dict.fromkeys(["group", *(name for ops in self.branches for name in needed(ops, ()))]))

    @property
    def provides(self) -> tuple[str, ...]:
        """What all branches leave."""
        first, *others = ([*_left(ops)] for ops in self.branches)
        return tuple(name for name in first if all(name in other for other in others))

    @property
    def consumes(self) -> tuple[str, ...]:
        """What one of the branches takes away and does not make anew."""
        gone = [name for ops in self.branches for op in ops for name in op.consumes if name not in _left(ops)]
        return tuple(dict.fromkeys(gone))

    @property
    def recalls(self) -> tuple[str, ...]:
        """What the branches look up in the ledger."""
        return tuple(dict.fromkeys(name for ops in self.branches for op in ops for name in op.recalls))

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows of all branches, those of an input behind each other."""
        made = [self._run(ops, table, context) for ops in self.branches]
        names = [name for name in made[0].column_names if all(name in part.column_names for part in made)]
        made = [part.select(names) for part in made]
        for part in made:
            differ = [name for name in names if part.schema.field(name).type != made[0].schema.field(name).type]
            if differ:
                raise DataError(
                    f"The branches of Branches leave different types in {differ}. Let their ops provide the same."
                )
        both = joined(made)
        place = {key: row for row, key in reversed(list(enumerate(read(table, "id").tolist())))}
        order = np.argsort([place[key] for key in read(both, "id").tolist()], kind="stable")
        return both.take(pa.array(order, pa.int64()))

    def _run(self, ops: list[Op], table: pa.Table, context: Context) -> pa.Table:
        for op in ops:
            table = op(table, replace(context, progress=None))
        return table


def _left(ops: list[Op]) -> dict[str, None]:
    """Return the columns that ops provide and do not take away again, in their order."""
    left: dict[str, None] = {}
    for op in ops:
        left = {name: None for name in left if name not in op.consumes} | dict.fromkeys(op.provides)
    return left
