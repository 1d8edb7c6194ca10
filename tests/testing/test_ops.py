"""The suite for ops: a sound op passes, and every check fails on an op that breaks its promise."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import keep, read, write
from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.testing import OP_CHECKS, ConformanceError, OpCase, candidates, check_op
from tests.testing.broken_ops import (
    BREAKS,
    SCORE,
    AddsSecretly,
    AsksForRank,
    ChangesItself,
    ChangesLabel,
    CountsCalls,
    DrawsAnything,
    FirstOfAll,
    FirstOfShard,
    GroupWithoutGroup,
    HidesParameter,
    IdsAreNumbers,
    KeepsGaps,
    KeepsNan,
    KeysAreNumbers,
    LogOfZero,
    LooksAtTruth,
    LosesAllToNan,
    NeedsRows,
    NeedsTwoRows,
    NotFrozen,
    ProvidesNothing,
    RefusesSchedules,
    RequiresTooLittle,
    RequiresTooMuch,
    RowWithMemory,
    Sound,
    WrongScope,
    seen,
    wrong_example,
)

BROKEN: list[tuple[Op, str, str]] = [
    (NotFrozen(), "check_frozen", "not a frozen"),
    (HidesParameter(), "check_yaml_round_trip", "From YAML comes"),
    (AddsSecretly(), "check_example", "has no example"),
    (wrong_example(), "check_example", "fails"),
    (RefusesSchedules(), "check_schedules", "Steps"),
    (WrongScope(), "check_scope", "the scope 'column'"),
    (RequiresTooMuch(), "check_required_columns", "works all the same"),
    (RequiresTooLittle(), "check_no_other_columns", "is enough, but fails"),
    (AddsSecretly(), "check_provided_columns", "does not declare"),
    (ProvidesNothing(), "check_provided_columns", "does not return"),
    (ChangesLabel(), "check_other_columns_stay", "'label' differs"),
    (ChangesItself(), "check_input_unchanged", "changes itself"),
    (GroupWithoutGroup(), "check_group_whole", "does not require 'group'"),
    (DrawsAnything(), "check_deterministic", "global random state"),
    (LooksAtTruth(), "check_ignores_truth", "hidden labels"),
    (NeedsRows(), "check_empty_table", "divide"),
    (NeedsTwoRows(), "check_one_row", "Degrees of freedom"),
    (LogOfZero(), "check_extreme_values", "encountered in log"),
    (KeepsNan(), "check_nan", "keeps a row"),
    (LosesAllToNan(), "check_nan", "drops every row"),
    (KeepsGaps(), "check_empty_cells", "is empty"),
    (IdsAreNumbers(), "check_string_ids", "'str' and 'int'"),
    (FirstOfAll(), "check_row_order", "another order"),
    (FirstOfShard(), "check_shards", "on shards"),
    (AsksForRank(), "check_ranks", "on 2 ranks"),
    (CountsCalls(), "check_restart", "after a crash"),
    (CountsCalls(), "check_memory", "after a restart"),
    (KeysAreNumbers(), "check_memory", "JSON gives back"),
    (RowWithMemory(), "check_memory", "keeps state"),
]


def test_a_sound_op_passes() -> None:
    check_op(Sound())


@dataclass(frozen=True)
class BestOfGroup(Op):
    """Keeps the best row of every group.

    Example:
        >>> BestOfGroup().scope
        'group'
    """

    scope: ClassVar[Scope] = "group"
    requires = ("group", SCORE)
    provides = ()

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        group, score = read(table, "group"), read(table, SCORE)
        if np.isnan(score).any():
            raise DataError("The score is NaN. Drop the row.")
        best = {g: score[group == g].max() for g in np.unique(group)}
        return keep(table, np.array([s == best[g] for g, s in zip(group, score, strict=True)], dtype=bool))


def test_a_sound_group_op_passes() -> None:
    table = candidates(rows=24)
    groups = np.repeat(np.arange(8), 3)
    check_op(BestOfGroup(), write(table, id=groups + 100, group=groups))


@pytest.mark.parametrize(
    ("op", "name", "message"), BROKEN, ids=lambda value: value if isinstance(value, str) else value.name
)
@pytest.mark.filterwarnings("ignore")
def test_a_broken_op_fails(op: Op, name: str, message: str) -> None:
    check = next(check for check in OP_CHECKS if check.__name__ == name)
    seen.clear()
    with pytest.raises(BREAKS, match=message):
        check(OpCase(op))


def test_every_op_check_can_fail() -> None:
    assert {check.__name__ for check in OP_CHECKS} - {name for _, name, _ in BROKEN} == {"check_spec"}


def test_a_local_class_cannot_be_described() -> None:
    @dataclass(frozen=True)
    class Local(Sound):
        """Cannot be imported."""

    check = next(check for check in OP_CHECKS if check.__name__ == "check_spec")
    with pytest.raises(ConformanceError, match="top of a module"):
        check(OpCase(Local()))
