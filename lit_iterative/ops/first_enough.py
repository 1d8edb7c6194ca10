"""FirstEnough: a rule of selection that follows the state of the learning."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pyarrow as pa

from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.schedule import Schedule
from lit_iterative.ops.tally import Tally


@dataclass(frozen=True)
class FirstEnough(Op):
    """Selects by the first of several rules that keeps enough rows, and by none where no rule does.

    Which rule that is tells how far the learning has come. SER (Huang et al., 2024, arXiv:2411.00418) lets a reward
    model first take pairs of which it is sure that one completion is good and the other bad, then those whose rewards
    lie far apart, and is done when there are few of both.

    Args:
        rules: Each a list of ops that work on rows or on the whole table, tried in order.
        share: The share of the rows that a rule must keep at least.

    Requires what the rules require, and provides what each of them provides. Measures ``rule``, the place of the one
    that was used, -1 for none, and ``rule_share``, the share of the rows that it keeps.

    Raises:
        PipelineError: If there is no rule, they provide different columns, an op works on groups or runs the model, or
            the share is out of its range.

    Example:
        >>> from lit_iterative.ops import Threshold
        >>> from lit_iterative.ops.testing import example, show
        >>> from lit_iterative.pool import Pool
        >>> table = example(id=[0, 1], **{"scores.confidence": [0.6, 0.7]}, row=[0, 1])
        >>> rules = FirstEnough([[Threshold(0.9)], [Threshold(0.65)]], share=0.5)
        >>> show(rules(table, Context(Pool([0, 0], 1))), "id")
        [1]
    """

    rules: list[list[Op]]
    share: float | Schedule = 0.1
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        check_range("FirstEnough(share)", self.share, 0, 1)
        columns = {(_provided(rule), _consumed(rule)) for rule in self.rules}
        if len(columns) != 1 or not all(self.rules):
            raise PipelineError(
                f"The rules of FirstEnough leave different columns: {sorted(_provided(rule) for rule in self.rules)}. "
                "Give at least one, each with an op, and let all provide the same, for example by Constant."
            )
        for op in self._ops:
            if op.scope == "group" or op.runs_model:
                raise PipelineError(
                    f"{op.name} works on groups or runs the model, which a rule of FirstEnough cannot. Put it before."
                )

    @property
    def _ops(self) -> list[Op]:
        return [op for rule in self.rules for op in rule]

    @property
    def requires(self) -> tuple[str, ...]:
        """What the rules read and do not make themselves."""
        needed: dict[str, None] = {}
        for rule in self.rules:
            made: set[str] = set()
            for op in rule:
                needed |= dict.fromkeys(name for name in op.requires if name not in made)
                made |= set(op.provides)
        return tuple(needed)

    @property
    def provides(self) -> tuple[str, ...]:
        """What every rule provides."""
        return _provided(self.rules[0])

    @property
    def consumes(self) -> tuple[str, ...]:
        """What every rule takes away."""
        return _consumed(self.rules[0])

    @property
    def recalls(self) -> tuple[str, ...]:
        """What the rules look up in the ledger."""
        return tuple(dict.fromkeys(name for op in self._ops for name in op.recalls))

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows that the first fitting rule keeps."""
        kept, used = table, -1
        for place, rule in enumerate(self.rules):
            tally = Tally()
            kept = self._kept(table, rule, place, replace(context, tally=tally))
            if kept.num_rows and kept.num_rows >= number(self.share) * table.num_rows:
                context.tally.add(tally)
                used = place
                break
        kept = kept if used >= 0 else kept.slice(0, 0)
        context.tally.mean("rule", [used])
        context.tally.mean("rule_share", [kept.num_rows / max(1, table.num_rows)])
        return kept

    def _kept(self, table: pa.Table, rule: list[Op], place: int, context: Context) -> pa.Table:
        """Return what a rule keeps; each of its ops has a memory of its own."""
        for step, op in enumerate(rule):
            memory = context.memory.setdefault(f"{place}.{step}", {}) if op.scope == "global" else {}
            table = op(table, replace(context, memory=memory))
        return table


def _provided(rule: list[Op]) -> tuple[str, ...]:
    return tuple(sorted({name for op in rule for name in op.provides} - set(_consumed(rule))))


def _consumed(rule: list[Op]) -> tuple[str, ...]:
    return tuple(sorted({name for op in rule for name in op.consumes}))
