"""Rounds: the callback that regenerates the data of a refreshable DataModule between epochs.

It acts at the start of an epoch. By then the epoch before is over in every respect (schedules stepped,
checkpoints written, early stopping asked), and a fit that has ended never comes here. A resumed fit comes
to the same place, so that one path serves both.
"""

import os
from dataclasses import replace
from functools import partial
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities import rank_zero_info

from lit_iterative import _compat
from lit_iterative.callbacks import checks
from lit_iterative.callbacks.boundaries import committed, write_boundary
from lit_iterative.callbacks.going_back import go_back
from lit_iterative.callbacks.guards import judged
from lit_iterative.callbacks.opening import keep_beginning, store_of
from lit_iterative.callbacks.past import Past
from lit_iterative.callbacks.progress import Progress
from lit_iterative.callbacks.ranks import TrainerRanks
from lit_iterative.callbacks.serving import Serving
from lit_iterative.callbacks.starting import context_of, facts_of
from lit_iterative.callbacks.state import STATE, State, numbers_of
from lit_iterative.callbacks.symmetry import is_own_reference
from lit_iterative.callbacks.syncing import Syncing
from lit_iterative.callbacks.telemetry import Telemetry, monitor
from lit_iterative.generation.forward import ForwardPass
from lit_iterative.ops.op import resolve
from lit_iterative.rounds.layout import BOUNDARY, LAST, folder
from lit_iterative.rounds.make import make_round
from lit_iterative.rounds.plan import Phase, Plan, When
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.sync import reset_optimizers, stateless
from lit_iterative.rounds.version import Version
from lit_iterative.rounds.weights import keep_primitives

HYPER_PARAMETERS = (
    pl.LightningModule.CHECKPOINT_HYPER_PARAMS_KEY,
    pl.LightningDataModule.CHECKPOINT_HYPER_PARAMS_KEY,
)


class Rounds(pl.Callback):
    """Makes the data of every round with the live model, swaps it in, and resumes where a run was stopped.

    The DataModule must be :class:`~lit_iterative.datamodules.Refreshable`. The same command on the same
    folder goes on where the last one ended; name a checkpoint in ``fit(ckpt_path=...)`` to decide otherwise.

    Args:
        phases: What the rounds do; the last phase goes on until the fit ends.
        when: When a round is due.
        dirpath: Folder or URL of the round store; ``rounds`` below the trainer's ``default_root_dir`` when
            left out. Every rank must be able to write there.
        seed: Seed of all draws; that of ``seed_everything`` (or 0) when left out.
        shard_size: Rows of the unit of work, which is what a crash can lose.
        repeat: So many of the last phases come again and again, in turn, in place of the last one alone.

    Raises:
        PipelineError: If the phases do not fit together.
    """

    def __init__(
        self,
        phases: list[Phase],
        when: When = When(),  # noqa: B008  # frozen
        dirpath: str | None = None,
        seed: int | None = None,
        shard_size: int = 8192,
        repeat: int = 0,
    ) -> None:
        self.when, self.dirpath, self.seed = when, dirpath, seed
        self.plan = Plan(phases, seed or 0, shard_size, repeat)
        self._begin()

    def _begin(self) -> None:
        self._state = State()
        self._resumed_at_boundary = False
        self._resumed_by_itself = False
        self._telemetry = Telemetry()

    # ---- what you may override ------------------------------------------------------------------------

    def should_refresh(self, trainer: pl.Trainer) -> bool:
        """Tell whether a round is due in front of the epoch that begins."""
        total = self.plan.rounds
        if total is not None and len(self._past.path) >= total:
            return False
        return self.when.due(trainer.current_epoch, self.last_epoch, self.rounds_made, self._state.plateau.waited)

    @property
    def rounds_made(self) -> int:
        """Rounds made so far."""
        return self._state.made

    @property
    def last_epoch(self) -> int | None:
        """The epoch in front of which the last round was made."""
        return self._state.last_epoch

    @property
    def store(self) -> Store:
        """The rounds of this run; known once fit has begun."""
        return self._store

    # ---- Lightning's hooks ----------------------------------------------------------------------------

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse what cannot work, open the store, and resume from it."""
        if stage != "fit":
            return
        self._begin()  # the callback may have served another fit; what is resumed is restored later
        self._data = checks.refreshable(trainer, type(self).__name__)
        checks.check_alone(trainer, Rounds)
        checks.check_strategy(trainer, pl_module, self.plan)
        checks.check_actors(trainer, pl_module, self.plan)
        self._guards = checks.guards(trainer, self.plan, self._data)
        self._ranks = TrainerRanks(trainer)
        self._store = store_of(trainer, self.dirpath, self._ranks)
        checks.check_place(trainer, self._store)
        if self.seed is None:  # known only now; and ranks started by another have it earlier than that one
            self.plan = replace(self.plan, seed=self._ranks.broadcast(int(os.environ.get("PL_GLOBAL_SEED", 0))))
        self._data.attach(self._store, self.plan.seed)
        self._serving = Serving(self._data, self.plan.seed)
        checks.check_plan(self._store, self.plan)
        checks.check_pool(self._data)  # found now, not after the warm-up
        self._telemetry.begin(trainer, pl_module, self.plan)
        point = self._ranks.broadcast(self._store.resume_point())
        self._resumes = point is not None
        if point is not None:
            _compat.resume_from(trainer, point, self._resume_by_itself)

    def _resume_by_itself(self) -> None:
        self._resumed_by_itself = True

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Draw no more figures."""
        self._telemetry.close()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave nothing of a trial (``fast_dev_run``), and no process."""
        self._telemetry.close()
        if stage == "fit" and trainer.fast_dev_run and self._ranks.rank == 0:  # type: ignore[attr-defined]
            self._store.files.remove("")

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep what later rounds may go back to: schedules, and the weights from before training."""
        checks.check_optimisation(trainer, pl_module, self._data, self.plan)
        self._syncing = Syncing(trainer)
        keep_beginning(self._store, self.plan, pl_module, self._resumes, self._ranks)
        self._ranks.barrier()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the round that is served to callbacks that monitor it."""
        self._syncing.begin(trainer)
        monitor(trainer, self._past.latest())
        if self._state.stopped and self._resumed_by_itself:
            trainer.should_stop = True  # which Lightning does not save
            rank_zero_info(
                f"The run in {self._store.url} had been stopped, by early stopping for example, and is done. To train "
                f"on, name its end: fit(ckpt_path={self._store.files.path(LAST)!r})."
            )

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Make a round if one is due."""
        if self._resumed_at_boundary:
            _compat.begin_epoch_afresh(trainer)
            self._resumed_at_boundary = False
        if not self._state.pending:  # else they are those that the boundary was saved with
            # Rank 0's for all, since metrics need not be synchronised and weights must not part.
            self._state.metrics |= self._ranks.broadcast(numbers_of(trainer))
        if not self._state.pending and trainer.current_epoch > 0:
            self._state.plateau.update(self.when, self._state.metrics)
        due = self._state.pending or self.should_refresh(trainer)
        if trainer.strategy.reduce_boolean_decision(due, all=False):
            if self._past.verdict().last and not self._state.pending:
                self._stop(trainer)
            else:
                self.refresh(trainer, pl_module)
        self._state.pending = False

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the first epoch of a round from the same random state, resumed or not, and from a sound reference."""
        self._serving.begin(trainer, pl_module, batch, self.rounds_made)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the end of the fit, so that the same command finds it done and a longer one goes on."""
        self._state.metrics |= numbers_of(trainer)
        self._state.stopped = trainer.should_stop
        if self._ranks.rank == 0:
            self._store.reopen()
        self._save(trainer, LAST, pending=False)
        if self._ranks.rank == 0:
            self._store.finish(self._state.metrics, self.plan.fingerprint)
        self._ranks.barrier()

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the metrics of a run that had already ended, which has not trained and so has none."""
        for name, value in self._state.metrics.items():
            trainer.callback_metrics.setdefault(name, torch.tensor(value))
        self._telemetry.end(trainer, self._store)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the state of the rounds."""
        if self._state.at_boundary:
            _compat.at_epoch_start(checkpoint)
            keep_primitives(checkpoint, HYPER_PARAMETERS)
            checkpoint[STATE] = self._state.to_dict()
        else:
            now = self._state.metrics | numbers_of(trainer)
            checkpoint[STATE] = replace(self._state, metrics=now).to_dict()

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore the state of the rounds."""
        if STATE in checkpoint:
            self._state = State.from_dict(checkpoint[STATE])
            self._resumed_at_boundary, self._state.at_boundary = self._state.at_boundary, False

    # ---- a round --------------------------------------------------------------------------------------

    @property
    def _past(self) -> Past:
        return Past(self._store, self.rounds_made)

    def refresh(self, trainer: pl.Trainer, module: pl.LightningModule) -> Version:
        """Make the next round, or take it from the store, and let training go on with it or as guards decide."""
        forward = ForwardPass(trainer, module, self._past.saved(trainer))
        context = context_of(self._past, self._data, self.plan, self._state.metrics, self._ranks, forward)
        known = {**context.metrics, **context.factors}
        phase: Phase = resolve(self.plan.phase(context.place), context.place, known)
        facts = facts_of(self._past, self.plan, phase, context, trainer, module)
        version = committed(self._store, facts)
        if version is None:
            write_boundary(self._store, facts, self._ranks, partial(self._save, trainer, pending=True))
            judge = partial(judged, self._guards, self._past, facts)
            with Progress(trainer, facts.round) as progress:
                context = replace(context, progress=progress.rows)
                version = make_round(self.plan, phase, self._store, facts, context, progress.stage, judge)
        verdict = version.manifest.verdict
        if self._guards is not None:
            self._guards.tell(trainer, version)
        if verdict.sound:
            self._sync(trainer, module, phase)
        self._state.made, self._state.last_epoch = facts.round + 1, trainer.current_epoch
        if not verdict.sound:
            return self._turn(trainer, module, version)
        self._state.plateau.waited = 0  # the next plateau is one of training on the new data
        self._serving.swap(trainer, version)
        self._telemetry.round(trainer, module, version, context.previous, context.pool)
        return version

    # ---- what guards decide ---------------------------------------------------------------------------

    def _turn(self, trainer: pl.Trainer, module: pl.LightningModule, version: Version) -> Version:
        """Leave a round that is not trained on: go back to an earlier one, end the run, or both."""
        verdict = version.manifest.verdict
        if verdict.back_to is not None:
            self._go_back(trainer, module, verdict.back_to)
        if verdict.stop:
            self._stop(trainer)
        elif self.should_refresh(trainer):
            return self.refresh(trainer, module)
        else:
            self._serving.reload(trainer, version.round)
        return version

    def _stop(self, trainer: pl.Trainer) -> None:
        """End the fit before it trains any further."""
        trainer.should_stop = True
        rank_zero_info(f"Guards end the run in front of epoch {trainer.current_epoch}.")

    def _go_back(self, trainer: pl.Trainer, module: pl.LightningModule, round: int) -> None:
        """Bring training to where it was in front of a round, and the data to what was served there."""
        then = State.from_dict(go_back(trainer, module, self._store.files, f"{folder(round)}/{BOUNDARY}")[STATE])
        self._state = replace(self._state, last_epoch=then.last_epoch, plateau=then.plateau, metrics=then.metrics)
        trainer.callback_metrics.clear()  # of rounds that are left behind
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in self._state.metrics.items()})
        self._serving.go_back(self._past.latest())

    def _save(self, trainer: pl.Trainer, name: str, pending: bool) -> None:
        """Save the trainer to a file of the store."""
        save = partial(trainer.save_checkpoint, self._store.files.path(name), weights_only=False)
        self._state.pending, self._state.at_boundary = pending, True
        fresh = stateless(trainer.optimizers)
        try:
            self._store.files.guarded(name, save)
        finally:
            reset_optimizers(fresh)
            self._state.pending, self._state.at_boundary = False, False

    def _sync(self, trainer: pl.Trainer, module: pl.LightningModule, phase: Phase) -> None:
        """Bring weights, optimisers and schedules to where the phase wants them."""
        context = self._past.sync_context(self.plan.seed, self._state.metrics)
        changed = self._syncing.sync(trainer, module, phase, context)
        self._serving.own_reference = is_own_reference(phase, changed)
