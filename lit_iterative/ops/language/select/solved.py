"""SkipSolved: leaves out prompts that are always solved, and those that never are."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import keep, read
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_order, check_range, number
from lit_iterative.ops.revisit import remembered
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class SkipSolved(Op):
    """Leaves out the prompts of which, when they were last tried, all candidates were right, or none was.

    They have nothing to teach a builder that needs both. ``Curriculum(column="pass_rate")`` leaves them out for good;
    here they are tried again after some rounds, since the policy changes. The pipeline is ``SkipSolved()``,
    ``Prompts``, ``Sample``, what verifies, ``PassRate``, ``Remember(["pass_rate"])``.

    Args:
        low: Prompts with this pass rate or a lower one are never solved.
        high: Prompts with this pass rate or a higher one are always solved.
        revisit: Rounds for which a prompt is left out before it is tried again; for good when left out.
        column: The remembered pass rate.

    Takes all prompts that have none yet. Counts ``always_solved`` and ``never_solved`` (left out) and ``revisited``.

    Raises:
        PipelineError: If nothing lies between the bounds, or a prompt would never be left out.
        DataError: If there is a ledger without the column, or the column is not of numbers, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> from lit_iterative.pool import Pool
        >>> ledger = example(id=[0, 1, 2], pass_rate=[0.0, 0.5, 1.0])
        >>> context = Context(Pool(range(4), 1), ledger=ledger)
        >>> show(SkipSolved()(example(id=[0, 1, 2, 3]), context), "id"), context.tally.values()["never_solved"]
        ([1, 3], 1)
    """

    low: float | Schedule = 0.0
    high: float | Schedule = 1.0
    revisit: int | None = None
    column: str = "pass_rate"
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("SkipSolved(revisit)", self.revisit, 1)
        check_order(self.low, self.high)

    @property
    def recalls(self) -> tuple[str, ...]:
        """The remembered pass rate."""
        return (self.column,)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the prompts to try."""
        rate = remembered(table, context, self.column, self.name)
        never, always = rate <= number(self.low), rate >= number(self.high)
        again = self._again(read(table, "id")[never | always].tolist(), context)
        skip = never | always
        skip[skip] = ~np.array(again, dtype=bool)
        context.tally.count("never_solved", int((skip & never).sum()))
        context.tally.count("always_solved", int((skip & always).sum()))
        context.tally.count("revisited", sum(again))
        return keep(table, ~skip)

    def _again(self, ids: list[int | str], context: Context) -> list[bool]:
        """Tell which of the prompts have been left out for long enough, and note since when the others are."""
        since: dict[str, int] = context.memory.get("since", {})
        left_out = {str(id): since.get(str(id), context.round) for id in ids}
        again = [self.revisit is not None and context.round - left_out[str(id)] >= self.revisit for id in ids]
        context.memory["since"] = {
            str(id): left_out[str(id)] for id, tried in sorted(zip(ids, again, strict=True)) if not tried
        }
        return again
