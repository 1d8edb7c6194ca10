"""Syncing: weights, optimisers and schedules are brought to where training on a new round begins."""

import lightning.pytorch as pl

from lit_iterative.callbacks.ema_teacher import teacher_of
from lit_iterative.rounds.plan import Phase
from lit_iterative.rounds.sync import SyncContext, reset_optimizers, rewarm_schedules, snapshot_schedules, stateless


class Syncing:
    """Keeps what schedules and the gradient scaler start from, and brings training to where a phase wants it.

    Args:
        trainer: The trainer, in front of its first step.
    """

    def __init__(self, trainer: pl.Trainer) -> None:
        self._schedules = snapshot_schedules([config.scheduler for config in trainer.lr_scheduler_configs])
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        self._scaler = None if scaler is None else scaler.state_dict()
        self._fresh = stateless(trainer.optimizers)

    def begin(self, trainer: pl.Trainer) -> None:
        """In front of the first step, restored or not, let optimisers without a state have none."""
        if trainer.global_step == 0:
            reset_optimizers(self._fresh)

    def sync(self, trainer: pl.Trainer, module: pl.LightningModule, phase: Phase, context: SyncContext) -> bool:
        """Bring weights, optimisers and schedules to where the phase wants them; tell whether weights were changed."""
        changed = phase.weights.apply(module, context)
        teacher = teacher_of(trainer)
        if changed and teacher is not None:
            teacher.reset(module)
        if changed and self._scaler is not None:
            trainer.precision_plugin.scaler.load_state_dict(self._scaler)  # type: ignore[attr-defined]
        if phase.optimizer == "reset":
            reset_optimizers(trainer.optimizers)
        if phase.schedule == "rewarm":
            rewarm_schedules([config.scheduler for config in trainer.lr_scheduler_configs], self._schedules)
        return changed
