"""The suites for schedules, actors and weight policies."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lit_iterative.generation.forward import Member
from lit_iterative.ops.actors import Actor
from lit_iterative.ops.predict import Predict
from lit_iterative.ops.schedule import Schedule
from lit_iterative.rounds.sync import SyncContext, WeightPolicy
from lit_iterative.testing import parts
from lit_iterative.testing.case import OpCase
from lit_iterative.testing.expect import expect
from lit_iterative.testing.op_rounds import check_ranks
from lit_iterative.testing.op_values import check_deterministic

ROUNDS = 50


def check_schedule(schedule: Schedule, metrics: Mapping[str, float] | None = None) -> None:
    """Check a schedule: it is a part like any other and gives the same finite number whenever it is asked.

    Args:
        schedule: The schedule.
        metrics: The metrics that it follows.

    Raises:
        ConformanceError: If it breaks a promise.

    Example:
        >>> from lit_iterative.ops import Linear
        >>> check_schedule(Linear(0.5, 0.9, rounds=4))
    """
    name = type(schedule).__name__
    check_part(schedule, Schedule)
    known = dict(metrics or {})
    values = [schedule(round, known) for round in range(ROUNDS)]
    expect(all(map(math.isfinite, values)), f"{name} gives {values}. Give a finite number in every round.")
    again = [schedule(round, known) for round in reversed(range(ROUNDS))][::-1]
    expect(again == values, f"{name} gives other numbers when it is asked again. Depend on round and metrics alone.")
    expect(known == dict(metrics or {}), f"{name} changes the metrics that it is given.")


def check_actor(actor: Actor) -> None:
    """Check an actor: it is a part like any other, and ``Predict`` stores the same with it on any number of ranks.

    Args:
        actor: The actor.

    Raises:
        ConformanceError: If it breaks a promise.

    Example:
        >>> from lit_iterative.ops import Policy
        >>> check_actor(Policy())
    """
    name = type(actor).__name__
    check_part(actor, Actor)
    members = actor.members
    expect(members, f"{name} has no members. Give at least one.")
    expect(all(isinstance(m, Member) for m in members), f"{name}.members are {members}. Return a list of Member.")
    expect(actor.members == members, f"{name}.members change when they are asked for again.")
    case = OpCase(Predict(actor, keep_members=True))
    check_ranks(case)
    check_deterministic(case)


def check_weight_policy(policy: WeightPolicy, scores: Mapping[int, Mapping[str, float]] | None = None) -> None:
    """Check a weight policy: it is a part like any other, tells the truth, and always leads to the same weights.

    Args:
        policy: The policy.
        scores: Metrics by round, 0 to 2; ``val_accuracy`` falling from 0.9 to 0.5 when left out.

    Raises:
        ConformanceError: If it breaks a promise.

    Example:
        >>> from lit_iterative.rounds import Continue
        >>> check_weight_policy(Continue())
    """
    name = type(policy).__name__
    check_part(policy, WeightPolicy)
    known = scores or {round: {"val_accuracy": value} for round, value in enumerate((0.9, 0.8, 0.5))}
    results = []
    for seed in (1, 2):
        module, before = _network(7), _weights(_network(7))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            changed = policy.apply(module, _sync_context(policy, known))
        after = _weights(module)
        expect(isinstance(changed, bool), f"{name}.apply returns {changed!r}. Return whether anything was changed.")
        expect(changed != _same(before, after), f"{name}.apply returns {changed}, but the weights say otherwise.")
        shapes = [{key: value.shape for key, value in weights.items()} for weights in (before, after)]
        expect(shapes[0] == shapes[1], f"{name} changes names or shapes of weights.")
        results.append(after)
    expect(_same(*results), f"{name} leads to two sets of weights from one. Seed with context.seed and context.round.")


def _network(seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
        network(torch.randn(8, 3))  # so that running statistics differ
    return network


def _weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def _same(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def _sync_context(policy: WeightPolicy, scores: Mapping[int, Mapping[str, float]]) -> SyncContext:
    def initial() -> Mapping[str, Tensor]:
        expect(policy.needs_initial, f"{type(policy).__name__} asks for the initial weights. Set needs_initial = True.")
        return _weights(_network(100))

    def past(round: int) -> Mapping[str, Tensor]:
        expect(round in scores, f"{type(policy).__name__} asks for the weights of round {round}, which is not past.")
        return _weights(_network(200 + round))

    return SyncContext(2, 0, initial, past, scores)


def check_part(part: object, base: type) -> None:
    """Check what holds for every part of a plan.

    Args:
        part: The part.
        base: The type of the argument that takes it, such as ``Actor``.

    Raises:
        ConformanceError: If it breaks a promise.
    """
    parts.check_frozen(part)
    parts.check_spec(part)
    parts.check_yaml_round_trip(part, base)
    parts.check_schedules(part)
    parts.check_example(part)
