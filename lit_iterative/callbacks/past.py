"""The past of a run: the rounds on which the next one builds, and the weights that it may go back to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import lightning.pytorch as pl

from lit_iterative.callbacks.ema_teacher import teacher_of
from lit_iterative.guards.history import Record, record
from lit_iterative.rounds.layout import BOUNDARY, folder
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.sync import SyncContext
from lit_iterative.rounds.verdict import Verdict
from lit_iterative.rounds.version import Version
from lit_iterative.rounds.weights import Weights, load_checkpoint_weights, load_weights

#: The weights from before training, in the store.
INITIAL = "initial.pt"


@dataclass(frozen=True)
class Past:
    """What a run has behind it.

    Args:
        store: Its rounds; there may be more of them, made by a run that was stopped.
        made: Rounds made so far.
    """

    store: Store
    made: int

    @property
    def path(self) -> list[int]:
        """The rounds on which the next one builds."""
        return self.store.path(self.made)

    def latest(self) -> Version | None:
        """Return the last of the rounds on which the next one builds."""
        path = self.path
        return self.store.open(path[-1]) if path else None

    def verdict(self) -> Verdict:
        """Return the verdict on the round made last."""
        return self.store.open(self.made - 1).manifest.verdict if self.made else Verdict()

    def record(self, round: int) -> Record:
        """Return a round as guards see it; where its checkpoint was pruned, it is no way back."""
        restorable = self.store.files.exists(f"{folder(round)}/{BOUNDARY}")
        return record(self.store.open(round).manifest, restorable)

    def initial(self) -> Weights:
        """Return the weights from before training."""
        return load_weights(self.store.files, INITIAL)

    def weights(self, round: int) -> Weights:
        """Return the weights in front of a round."""
        return load_checkpoint_weights(self.store.files, f"{folder(round)}/{BOUNDARY}")

    def saved(self, trainer: pl.Trainer) -> dict[str, Callable[[], Weights]]:
        """Return what loads the weights that an actor may ask for, by their name."""
        path = self.path
        saved: dict[str, Callable[[], Weights]] = {"initial": self.initial}
        saved |= {f"round {place}": partial(self.weights, past) for place, past in enumerate(path)}
        saved[f"round {len(path)}"] = dict  # the live ones: none is another
        saved["previous"] = saved[f"round {max(len(path) - 1, 0)}"]
        teacher = teacher_of(trainer)
        if teacher is not None:
            saved["ema"] = teacher.weights
        return saved

    def sync_context(self, seed: int, metrics: Mapping[str, float]) -> SyncContext:
        """Return what a weight policy may know.

        Args:
            seed: Seed of the run.
            metrics: The trainer's metrics in front of the next round.
        """
        scores = {round: self.store.open(round).manifest.metrics_before for round in self.path}
        return SyncContext(self.made, seed, self.initial, self.weights, {**scores, self.made: metrics})
