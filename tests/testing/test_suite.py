"""The suite itself: a sound part passes, and every check fails on a part that breaks its promise."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
from torch import nn

from lit_iterative.columns import keep, read, write
from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.merge import Merge, Replace
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.schedule import Schedule
from lit_iterative.rounds.sync import SyncContext, WeightPolicy
from lit_iterative.testing import (
    MERGE_CHECKS,
    OP_CHECKS,
    ConformanceError,
    MergeCase,
    OpCase,
    candidates,
    check_merge,
    check_op,
    check_schedule,
    check_weight_policy,
)

SCORE = "scores.confidence"
seen: list[int] = []


@dataclass(frozen=True)
class Sound(Op):
    """A selector that keeps every promise; the broken ones below each break one.

    Example:
        >>> Sound().name
        'Sound'
    """

    least: float | Schedule = 0.6

    @property
    def requires(self) -> tuple[str, ...]:
        return (SCORE,)

    @property
    def provides(self) -> tuple[str, ...]:
        return ()

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(table, read(table, SCORE) >= self.least)


@dataclass
class NotFrozen(Op):
    """Has parameters that may change."""

    requires = ("id",)
    provides = ()

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return table


@dataclass(frozen=True)
class HidesParameter(Sound):
    """Takes something that cannot be described."""

    thing: Any = field(default_factory=object)


def wrong_example() -> Op:
    """Return an op from where pytest does not look for examples."""

    @dataclass(frozen=True)
    class WrongExample(Sound):
        """Shows what is not so.

        Example:
            >>> 1 + 1
            3
        """

    return WrongExample()


@dataclass(frozen=True)
class RefusesSchedules(Sound):
    """Looks at its parameter too early."""

    def __post_init__(self) -> None:
        if not 0 <= self.least <= 1:
            raise DataError("least")


@dataclass(frozen=True)
class WrongScope(Sound):
    """Has a scope that there is not."""

    scope: ClassVar[Any] = "column"


@dataclass(frozen=True)
class RequiresTooMuch(Sound):
    """Declares what it does not read."""

    @property
    def requires(self) -> tuple[str, ...]:
        return (SCORE, "label")


@dataclass(frozen=True)
class RequiresTooLittle(Sound):
    """Reads what it does not declare."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(table, read(table, "label") > 0)


@dataclass(frozen=True)
class AddsSecretly(Sound):
    """Adds a column without saying so."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return write(super().__call__(table, context), extra=np.zeros(len(super().__call__(table, context))))


@dataclass(frozen=True)
class ProvidesNothing(Sound):
    """Promises a column and does not give it."""

    @property
    def provides(self) -> tuple[str, ...]:
        return ("scores.mine",)


@dataclass(frozen=True)
class ChangesLabel(Sound):
    """Overwrites a column that it does not declare."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return write(table, label=read(table, "label") * 0) if "label" in table.column_names else table


@dataclass(frozen=True)
class ChangesItself(Sound):
    """Keeps state in itself."""

    memory: dict[str, int] = field(default_factory=dict)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        self.memory["calls"] = self.memory.get("calls", 0) + 1
        return super().__call__(table, context)


@dataclass(frozen=True)
class GroupWithoutGroup(Sound):
    """Works on groups that it does not ask for."""

    scope: ClassVar[Scope] = "group"


@dataclass(frozen=True)
class DrawsAnything(Sound):
    """Draws from the global random state."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(table, np.array([random.random() > 0.5 for _ in range(table.num_rows)], dtype=bool))


@dataclass(frozen=True)
class LooksAtTruth(Sound):
    """Cheats."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(table, read(table, SCORE) >= (0.6 if context.pool.truth is None else 0.8))


@dataclass(frozen=True)
class NeedsRows(Sound):
    """Divides by the number of rows."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        score = read(table, SCORE)
        return keep(table, score >= score.sum() / np.float64(len(score)) * 0)


@dataclass(frozen=True)
class NeedsTwoRows(Sound):
    """Takes the variance of one row."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        score = read(table, SCORE)
        return keep(table, score >= (np.var(score, ddof=1) * 0 if len(score) else 0))


@dataclass(frozen=True)
class LogOfZero(Sound):
    """Takes the logarithm of a probability."""

    @property
    def requires(self) -> tuple[str, ...]:
        return ("probs",)

    @property
    def provides(self) -> tuple[str, ...]:
        return ("scores.mine",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        probs = read(table, "probs")
        return write(table, **{"scores.mine": (probs * np.log(probs)).sum(axis=1)})


@dataclass(frozen=True)
class KeepsNan(Sound):
    """Drops what is below, and so keeps what cannot be compared."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(table, ~(read(table, SCORE) < self.least))


@dataclass(frozen=True)
class LosesAllToNan(Sound):
    """Compares with a mean that is NaN."""

    scope: ClassVar[Scope] = "global"

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        score = read(table, SCORE)
        return keep(table, score >= (score.mean() if len(score) else 0))


@dataclass(frozen=True)
class KeepsGaps(Sound):
    """Fills empty cells with the best there is."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        if SCORE not in table.column_names:
            read(table, SCORE)
        return keep(table, table.column(SCORE).fill_null(1.0).to_numpy() >= self.least)


@dataclass(frozen=True)
class IdsAreNumbers(Sound):
    """Calculates with ids."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(super().__call__(table, context), read(super().__call__(table, context), "id") * 2 >= 0)


@dataclass(frozen=True)
class FirstOfAll(Sound):
    """Keeps the rows that come first."""

    scope: ClassVar[Scope] = "global"

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(table, (read(table, SCORE) >= 0) & (np.arange(table.num_rows) < 5))


@dataclass(frozen=True)
class FirstOfShard(FirstOfAll):
    """Keeps the rows that come first in each shard."""

    scope: ClassVar[Scope] = "row"


@dataclass(frozen=True)
class AsksForRank(Sound):
    """Depends on the rank."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        return keep(table, read(table, SCORE) >= 0.6 + 0.2 * context.ranks.rank)


@dataclass(frozen=True)
class CountsCalls(Sound):
    """Keeps state where no restart finds it."""

    scope: ClassVar[Scope] = "global"

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        seen.append(1)
        return keep(table, read(table, SCORE) >= (len(seen) % 4) / 8 + 0.4)


@dataclass(frozen=True)
class KeysAreNumbers(Sound):
    """Keeps state that JSON cannot give back."""

    scope: ClassVar[Scope] = "global"

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        context.memory["by_class"] = {1: 0.5}
        return super().__call__(table, context)


@dataclass(frozen=True)
class RowWithMemory(Sound):
    """Keeps state in a scope that has none."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        context.memory["calls"] = 1
        return super().__call__(table, context)


#: A broken promise is reported, or what breaks it raises by itself.
BREAKS = (ConformanceError, RuntimeWarning, TypeError, AttributeError)

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


@dataclass(frozen=True)
class Invents(Replace):
    """Makes up an input."""

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        return write(new, id=read(new, "id") + 1000)


@dataclass(frozen=True)
class Shuffles(Replace):
    """Draws at random."""

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        return new.take(np.random.permutation(new.num_rows))


@dataclass(frozen=True)
class ByRank(Replace):
    """Keeps the first rows of what has come, more of them each time it is asked."""

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        seen.append(1)
        return new.slice(0, 3 + len(seen) % 5)


@dataclass(frozen=True)
class NeedsOld(Replace):
    """Forgets that there is a first round."""

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        return pa.concat_tables([new, old])


@dataclass(frozen=True)
class Drops(Replace):
    """Loses a column."""

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        return new.drop_columns(["label"])


@pytest.mark.parametrize(
    ("merge", "name", "message"),
    [
        (Invents(), "check_known_inputs", "which no row has"),
        (Invents(), "check_string_ids", "concatenate"),
        (Shuffles(), "check_deterministic", "two results"),
        (ByRank(), "check_ranks", "on two ranks"),
        (ByRank(), "check_restart", "after a crash"),
        (NeedsOld(), "check_small_tables", "NoneType"),
        (Drops(), "check_columns", "columns"),
        (Drops(), "check_required_columns", "is enough, but fails"),
        (Drops(), "check_example", "has no example"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_broken_merge_fails(merge: Merge, name: str, message: str) -> None:
    check = next(check for check in MERGE_CHECKS if check.__name__ == name)
    seen.clear()
    with pytest.raises(BREAKS, match=message):
        check(MergeCase(merge))


def test_a_sound_merge_passes() -> None:
    check_merge(Replace())


@dataclass(frozen=True)
class Drifts(Schedule):
    """Counts how often it is asked.

    Example:
        >>> Drifts().__class__.__name__
        'Drifts'
    """

    def __call__(self, round: int, metrics: Mapping[str, float]) -> float:
        seen.append(1)
        return float(len(seen))


def test_a_broken_schedule_fails() -> None:
    with pytest.raises(ConformanceError, match="asked again"):
        check_schedule(Drifts())


@dataclass(frozen=True)
class Lies(WeightPolicy):
    """Says that it changed something.

    Example:
        >>> Lies().__class__.__name__
        'Lies'
    """

    def apply(self, module: nn.Module, context: SyncContext) -> bool:
        return True


@dataclass(frozen=True)
class Rolls(Lies):
    """Draws weights from the global random state.

    Example:
        >>> Rolls().__class__.__name__
        'Rolls'
    """

    def apply(self, module: nn.Module, context: SyncContext) -> bool:
        module[0].reset_parameters()
        return True


def test_broken_weight_policies_fail() -> None:
    with pytest.raises(ConformanceError, match="say otherwise"):
        check_weight_policy(Lies())
    with pytest.raises(ConformanceError, match="two sets of weights"):
        check_weight_policy(Rolls())
