"""The state of a run between its rounds, as checkpoints hold it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import lightning.pytorch as pl

from lit_iterative.rounds.plan import Plateau

#: Where a checkpoint has it.
STATE = "lit_iterative_rounds"


@dataclass
class State:
    """Where a run stands.

    Args:
        made: Rounds made so far.
        last_epoch: The epoch in front of which the last of them was made.
        plateau: The metric that rounds wait for.
        pending: Whether the checkpoint was written in front of a round that is still to be made.
        at_boundary: Whether it was written between two epochs.
        stopped: Whether the fit had been stopped before its last epoch.
        metrics: The trainer's metrics.
    """

    made: int = 0
    last_epoch: int | None = None
    plateau: Plateau = field(default_factory=Plateau)
    pending: bool = False
    at_boundary: bool = False
    stopped: bool = False
    metrics: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as primitives."""
        return {
            "rounds": self.made,
            "last_epoch": self.last_epoch,
            "best": self.plateau.best,
            "waited": self.plateau.waited,
            "pending": self.pending,
            "at_boundary": self.at_boundary,
            "stopped": self.stopped,
            "metrics": dict(self.metrics),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "State":
        """Read what :meth:`to_dict` returned."""
        given = dict(values)
        plateau = Plateau(given.pop("best"), given.pop("waited"))
        return cls(given.pop("rounds"), plateau=plateau, **{**given, "metrics": dict(given["metrics"])})


def numbers_of(trainer: pl.Trainer) -> dict[str, float]:
    """Return the trainer's metrics that are numbers."""
    return {name: float(value) for name, value in trainer.callback_metrics.items() if value.numel() == 1}
