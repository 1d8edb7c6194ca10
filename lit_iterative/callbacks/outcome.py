"""Hyperparameters and outcome of a run: what the plan says, and how the final and the best round did."""

from collections.abc import Mapping
from typing import Any

from lit_iterative.inspect.show import plain
from lit_iterative.ops.op import parameters_of
from lit_iterative.report.run import Run
from lit_iterative.rounds.plan import Plan
from lit_iterative.rounds.store import Store

#: Names of the metrics of an outcome; what they measure is the held-out metric that the run is judged by.
OUTCOME = ("outcome/final", "outcome/best", "outcome/best_round", "outcome/rounds")
LONGEST = 250  # what every logger takes


def hyperparameters(plan: Plan, module: Mapping[str, Any] | None = None) -> dict[str, bool | int | float | str]:
    """Return what decides a run as flat names and plain values.

    Args:
        plan: The plan of the rounds.
        module: Hyperparameters that the module has saved.
    """
    found: dict[str, Any] = {"seed": plan.seed, "shard_size": plan.shard_size}
    for phase in plan.phases:
        for op in phase.ops:
            prefix = f"rounds/{op.name}" if len(plan.phases) == 1 else f"rounds/{phase.name}/{op.name}"
            found.update({f"{prefix}/{name}": value for name, value in parameters_of(op).items()})
    found.update(_flat("model", module or {}))
    return {name: _plain(value) for name, value in found.items() if value not in (None, False, [])}


def _flat(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix}/{name}"
        found.update(_flat(key, value) if isinstance(value, Mapping) else {key: value})
    return found


def _plain(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float) else plain(value)[:LONGEST]


def outcome(store: Store) -> dict[str, float]:
    """Return how a run has ended: the held-out metric at the end, the best one after any round, and that round."""
    run = Run.of(store)
    found = {"outcome/rounds": float(len(run.versions))}
    if run.best is not None:
        after = run.after
        found |= {"outcome/best": after[run.best], "outcome/best_round": float(run.best)}
        found["outcome/final"] = list(after.values())[-1]
    return found
