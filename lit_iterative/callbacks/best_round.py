"""BestRound: the best weights of a run are kept, and are what it ends with, whatever happened later."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_info

from lit_iterative.callbacks.lines import rounds_of
from lit_iterative.callbacks.rounds import Rounds
from lit_iterative.errors import SetupError
from lit_iterative.guards.history import best, gain
from lit_iterative.rounds.layout import BOUNDARY, LAST, folder
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.weights import load_checkpoint_weights, load_into

BEST = "best"
NOTE = f"{BEST}/best.json"


@dataclass(frozen=True)
class Best:
    """The best weights so far.

    Args:
        monitor: The metric.
        value: Its value.
        rounds: Rounds made before it was measured: 3 tells of the weights in front of round 3.
        key: Key of the round in front of which it was measured, or the last one where the fit ended.
        ended: Whether the fit ended there.
        checkpoint: The checkpoint in the store.
    """

    monitor: str
    value: float
    rounds: int
    key: str
    ended: bool
    checkpoint: str


class BestRound(pl.Callback):
    """Keeps the checkpoint of the best round by a metric, and gives the module its weights when the fit has ended.

    Compared are the weights in front of every round, those included behind which the run went back, and those at the
    end. ``best/`` in the round store has the checkpoint, an ordinary one of Lightning, and ``best.json``, which tells
    what it is. A fit that goes on later goes on from its end, not from there. With ``Export`` the best policy is what
    is exported.

    Args:
        monitor: A metric of the trainer, such as ``val_accuracy``.
        mode: Whether it is to be small or large.

    Raises:
        SetupError: If nothing makes rounds, when set up; if the metric was never logged, when the fit ends.
    """

    def __init__(self, monitor: str, mode: Literal["min", "max"] = "max") -> None:
        self.monitor = monitor
        self.mode: Literal["min", "max"] = mode
        self._seen = 0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse a run without rounds."""
        if stage == "fit" and rounds_of(trainer) is None:
            raise SetupError(
                "BestRound has no rounds to choose from. Add a callback that makes them, such as PseudoLabels, or use "
                "ModelCheckpoint(monitor=...)."
            )

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Keep the best of the rounds made so far, when training on a new one begins."""
        rounds = _rounds(trainer)
        if rounds.rounds_made != self._seen:
            self._seen = rounds.rounds_made
            self._keep(trainer, rounds.store, None)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the best of all, and give the module its weights.

        Raises:
            SetupError: If the metric was never logged.
        """
        store = _rounds(trainer).store
        if not store.rounds():  # as in a trial, of which nothing is left
            return
        self._keep(trainer, store, store.final_metrics().get(self.monitor))
        trainer.strategy.barrier("lit_iterative")
        found = self.best(store)
        if found is None:
            raise SetupError(
                f"BestRound watches {self.monitor!r}, but the trainer knows {sorted(store.final_metrics())}. Log it in "
                "validation_step."
            )
        load_into(pl_module, load_checkpoint_weights(store.files, found.checkpoint))
        at = "the end" if found.ended else f"the start of round {found.rounds}"
        rank_zero_info(f"The module has the weights of {at}, whose {self.monitor} of {found.value:.6g} is the best.")

    def best(self, store: Store) -> Best | None:
        """Return what is kept, if it is of this run and this metric."""
        if not store.files.exists(NOTE):
            return None
        found = Best(**store.files.read_json(NOTE))
        rounds = store.rounds()
        number = found.rounds - found.ended
        known = found.key == (store.open(number).manifest.key if number in rounds else "")
        return found if known and found.monitor == self.monitor else None

    def _keep(self, trainer: pl.Trainer, store: Store, final: float | None) -> None:
        """Copy the checkpoint of the best weights, if they are better than what is kept."""
        if not trainer.is_global_zero:
            return
        candidates = self._candidates(store, final)
        if not candidates:
            return
        now = candidates[best([candidate.value for candidate in candidates], self.mode)]
        kept = self.best(store)
        if kept is not None and gain(now.value, kept.value, self.mode) <= 0:
            return
        source = LAST if now.ended else f"{folder(now.rounds)}/{BOUNDARY}"
        store.files.copy(source, now.checkpoint)
        store.files.write_json(NOTE, asdict(now))
        for name in store.files.list(BEST):
            if f"{BEST}/{name}" not in (NOTE, now.checkpoint):
                store.files.remove(f"{BEST}/{name}")

    def _candidates(self, store: Store, final: float | None) -> list[Best]:
        manifests = [version.manifest for version in store.versions()]
        known = [manifest for manifest in manifests if self.monitor in manifest.metrics_before]
        found = [self._candidate(m.metrics_before[self.monitor], m.round, m.key, ended=False) for m in known]
        if final is not None and manifests:
            found.append(self._candidate(final, len(manifests), manifests[-1].key, ended=True))
        return [candidate for candidate in found if candidate.value == candidate.value]

    def _candidate(self, value: float, rounds: int, key: str, ended: bool) -> Best:
        name = f"{BEST}/{'end' if ended else 'start'}-{rounds:05d}.ckpt"
        return Best(self.monitor, value, rounds, key, ended, name)


def _rounds(trainer: pl.Trainer) -> Rounds:
    found = rounds_of(trainer)
    if found is None:
        raise SetupError("BestRound has no rounds to choose from. Keep the callback that makes them.")
    return found
