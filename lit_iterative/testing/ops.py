"""The suite for ops."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa

from lit_iterative.ops.op import Op
from lit_iterative.ops.schedule import Steps
from lit_iterative.testing import op_columns, op_rounds, op_values, parts
from lit_iterative.testing.case import OpCase
from lit_iterative.testing.expect import expect_same

OpCheck = Callable[[OpCase], None]


def check_frozen(case: OpCase) -> None:
    """An op is a frozen dataclass."""
    parts.check_frozen(case.op)


def check_spec(case: OpCase) -> None:
    """An op is described in primitives."""
    parts.check_spec(case.op)


def check_yaml_round_trip(case: OpCase) -> None:
    """An op survives YAML."""
    parts.check_yaml_round_trip(case.op, Op)


def check_example(case: OpCase) -> None:
    """The example in the docstring of an op executes."""
    parts.check_example(case.op)


def check_schedules(case: OpCase) -> None:
    """Any parameter typed ``float | Schedule`` takes a schedule, whose value gives what the number gives."""
    parts.check_schedules(case.op)
    for name in parts.scheduled_parameters(case.op):
        value = getattr(case.op, name)
        if isinstance(value, int | float):
            moving: Any = replace(case.op, **{name: Steps([float(value)])})  # type: ignore[type-var]  # a dataclass
            made = case.with_op(moving.at(0, {})).run(case.table)
            expect_same(made, case.run(case.table), f"{case.op.name} with a schedule for {name!r}", exact=True)


#: Every check of an op, by itself, for ``pytest.mark.parametrize``.
OP_CHECKS: tuple[OpCheck, ...] = (
    check_frozen,
    check_spec,
    check_yaml_round_trip,
    check_example,
    check_schedules,
    op_columns.check_scope,
    op_columns.check_required_columns,
    op_columns.check_no_other_columns,
    op_columns.check_provided_columns,
    op_columns.check_other_columns_stay,
    op_columns.check_input_unchanged,
    op_columns.check_group_whole,
    op_values.check_deterministic,
    op_values.check_ignores_truth,
    op_values.check_empty_table,
    op_values.check_one_row,
    op_values.check_extreme_values,
    op_values.check_nan,
    op_values.check_empty_cells,
    op_values.check_string_ids,
    op_values.check_row_order,
    op_values.check_shards,
    op_rounds.check_ranks,
    op_rounds.check_restart,
    op_rounds.check_memory,
)


def check_op(
    op: Op, table: pa.Table | None = None, ledger: pa.Table | None = None, item: Callable[[int], Any] = float
) -> None:
    """Run every check on an op.

    Args:
        op: The op, with parameters that make it do something on the table.
        table: At least twelve rows with an ``id`` and all columns that it requires; an example of the usual columns
            when left out.
        ledger: What is remembered of every input when the first round starts, where the op wants that.
        item: Makes the inputs of the pool, each of its place; numbers when left out.

    Raises:
        ConformanceError: If the op breaks a promise; the message names it and the remedy.

    Example:
        >>> from lit_iterative.ops import Threshold
        >>> check_op(Threshold(0.8))
    """
    case = OpCase(op, table, ledger, item)
    for check in OP_CHECKS:
        check(case)
