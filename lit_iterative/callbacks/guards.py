"""Guards: the callback that judges every round when it has been made, before anything trains on it."""

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from lit_iterative.callbacks.past import Past
from lit_iterative.callbacks.telemetry import scalars_of
from lit_iterative.errors import SetupError
from lit_iterative.guards import Change, Guard, History, Record, judge
from lit_iterative.guards.history import joined
from lit_iterative.rounds.make import Facts
from lit_iterative.rounds.verdict import Verdict
from lit_iterative.rounds.version import Version


class Guards(pl.Callback):
    """Judges every round, and lets the callback that makes rounds warn, stop, go back or change a parameter.

    The verdict is committed with the round: ranks and resumed runs follow what is in the store, and ``manifest.json``
    tells what happened and why. Guards may be changed between two runs on the same store; rounds that were judged stay
    judged.

    Loggers get ``by_round/guards/<condition>``, 1 where it fired and 0 where not, with the round as the step.

    Args:
        guards: What is watched, and what follows; at least one.

    Raises:
        SetupError: If there is no guard.
    """

    def __init__(self, guards: list[Guard]) -> None:
        if not guards:
            raise SetupError("Guards has no guards. Give at least one, or leave the callback out.")
        self.guards = guards

    @property
    def changes(self) -> set[str]:
        """Names of the parameters that guards may change."""
        return {guard.action.parameter for guard in self.guards if isinstance(guard.action, Change)}

    def judge(self, past: Sequence[Record], before: dict[str, float], measured: dict[str, Any]) -> Verdict:
        """Return the verdict on a round that is about to be committed.

        Args:
            past: All rounds before it.
            before: The trainer's metrics in front of it.
            measured: What was measured on its data.
        """
        now = Record(len(past), joined(before, measured))
        return judge(self.guards, History([*past, now]))

    def tell(self, trainer: pl.Trainer, version: Version) -> None:
        """Say and log what came of a round; every rank calls this."""
        verdict = version.manifest.verdict
        for event in verdict.events:
            follows = "" if event.action in (None, "Warn") else f" ({event.action})"
            say = rank_zero_info if event.action is None else rank_zero_warn
            say(f"Round {version.round}: {event.guard}: {event.said}{follows}.")
        if not trainer.is_global_zero:
            return
        fired = {event.guard for event in verdict.events if event.action is not None}
        values = {f"guards/{guard.condition.name}": float(guard.condition.name in fired) for guard in self.guards}
        values |= {f"factors/{name}": factor for name, factor in verdict.factors.items()}
        if not verdict.sound:  # else the round itself is logged when it is served
            values |= scalars_of(version.manifest)
        for logger in trainer.loggers:
            logger.log_metrics({f"by_round/{name}": value for name, value in values.items()}, step=version.round)


def judged(guards: Guards | None, past: Past, facts: Facts, measured: dict[str, Any]) -> Verdict:
    """Return the verdict on a round; asked on rank 0 alone, whose answer the manifest tells the others.

    Args:
        guards: Who judges; without them only what was changed before stays changed.
        past: The rounds before.
        facts: What the round started from.
        measured: What was measured on its data.
    """
    if guards is None:
        return Verdict(factors=past.verdict().factors)
    return guards.judge([past.record(round) for round in range(past.made)], facts.metrics, measured)
