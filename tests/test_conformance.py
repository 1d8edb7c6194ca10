"""Every public part keeps every promise; nothing public is left out."""

import re
from typing import Any

import pytest

from lit_iterative import callbacks, ops, rounds
from lit_iterative.callbacks import Rounds
from lit_iterative.ops import language
from lit_iterative.ops.actors import Actor
from lit_iterative.ops.merge import Merge
from lit_iterative.ops.op import Op
from lit_iterative.ops.schedule import Schedule
from lit_iterative.rounds.sync import WeightPolicy
from lit_iterative.testing import (
    CALLBACK_CHECKS,
    MERGE_CHECKS,
    OP_CHECKS,
    CallbackCase,
    MergeCase,
    OpCase,
    check_actor,
    check_schedule,
    check_weight_policy,
)
from tests import conformance_cases as cases
from tests import conformance_language as language_cases

OPS = [*cases.OPS, *language_cases.OPS]
CHANGE_NO_ROW = (
    ops.AllInputs,
    ops.Remember,
    ops.RoundAgreement,
    language.AddPrompts,
    language.AnswerEntropy,
    language.BalanceByTemperature,
    language.BalanceScore,
    language.DistinctN,
    language.RememberCandidates,
    language.Divergence,
)


def name(thing: Any) -> str:
    """Name a case or a check in the report, alike in every process."""
    if isinstance(thing, OpCase | MergeCase):
        thing = thing.op if isinstance(thing, OpCase) else thing.merge
    named = getattr(thing, "__name__", None) or getattr(thing, "name", None) or repr(thing)
    return re.sub(r" at 0x[0-9a-f]+", "", named)


@pytest.mark.parametrize("case", OPS, ids=name)
@pytest.mark.parametrize("check", OP_CHECKS, ids=name)
def test_op(case: OpCase, check: Any) -> None:
    check(case)


@pytest.mark.parametrize("case", OPS, ids=name)
def test_cases_make_ops_work(case: OpCase) -> None:
    made = case.run(case.table)
    compares_rounds = isinstance(case.op, language.PastFuture)  # with rows of a round before, in its own tests
    assert made.num_rows > 0 or compares_rounds, "The case shows nothing: the op keeps no row. Change its parameters."
    idle = made.num_rows == case.table.num_rows and not case.op.provides
    assert not idle or isinstance(case.op, CHANGE_NO_ROW), "The case shows nothing: all rows pass."


@pytest.mark.parametrize("case", cases.MERGES, ids=name)
@pytest.mark.parametrize("check", MERGE_CHECKS, ids=name)
def test_merge(case: MergeCase, check: Any) -> None:
    check(case)


@pytest.mark.parametrize("schedule", cases.SCHEDULES, ids=name)
def test_schedule(schedule: Schedule) -> None:
    check_schedule(schedule, cases.METRICS)


@pytest.mark.parametrize("actor", cases.ACTORS, ids=name)
def test_actor(actor: Actor) -> None:
    check_actor(actor)


@pytest.mark.parametrize("policy", cases.POLICIES, ids=name)
def test_weight_policy(policy: WeightPolicy) -> None:
    check_weight_policy(policy)


@pytest.mark.parametrize("case", cases.CALLBACKS, ids=name)
@pytest.mark.parametrize("check", CALLBACK_CHECKS, ids=name)
def test_callback(case: CallbackCase, check: Any) -> None:
    check(case)


@pytest.mark.parametrize(
    ("module", "base", "instances"),
    [
        (ops, Op, [case.op for case in OPS]),
        (language, Op, [case.op for case in language_cases.OPS]),
        (ops, Merge, [case.merge for case in cases.MERGES]),
        (ops, Schedule, cases.SCHEDULES),
        (ops, Actor, cases.ACTORS),
        (rounds, WeightPolicy, cases.POLICIES),
        (callbacks, object, [*(case.factory()[0] for case in cases.CALLBACKS)]),
    ],
    ids=["ops", "language ops", "merges", "schedules", "actors", "weight policies", "callbacks"],
)
def test_nothing_public_is_left_out(module: Any, base: type, instances: list[Any]) -> None:
    found = cases.exported(module, base) - {type(instance) for instance in instances}
    missing = {kind.__name__ for kind in found} - language_cases.ELSEWHERE
    assert not missing, f"Add {sorted(missing)} to tests/conformance_cases.py or conformance_language.py."
    assert Rounds in cases.exported(callbacks, object)  # the search finds what is there
