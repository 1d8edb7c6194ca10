"""Rounds: the callback that regenerates the data of a refreshable DataModule between epochs.

It acts at the start of an epoch. By then the epoch before is over in every respect (schedules stepped,
checkpoints written, early stopping asked), and a fit that has ended never comes here. A resumed fit comes
to the same place, so that one path serves both.
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from lit_iterative import _compat
from lit_iterative.callbacks import checks
from lit_iterative.callbacks.ema_teacher import teacher_of
from lit_iterative.callbacks.going_back import go_back
from lit_iterative.callbacks.progress import Progress
from lit_iterative.callbacks.ranks import TrainerRanks
from lit_iterative.callbacks.symmetry import check_reference, is_own_reference
from lit_iterative.callbacks.telemetry import Telemetry, monitor
from lit_iterative.errors import DataError, StoreError
from lit_iterative.generation.forward import ForwardPass, Weights
from lit_iterative.ops.actors import Initial
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import parts_of, resolve
from lit_iterative.rounds.command import note_command
from lit_iterative.rounds.make import Facts, hash_parts, hash_weights, make_round
from lit_iterative.rounds.plan import Phase, Plan, Plateau, When
from lit_iterative.rounds.store import BOUNDARY, LAST, Store, Version, folder
from lit_iterative.rounds.sync import SyncContext, reset_optimizers, rewarm_schedules, snapshot_schedules
from lit_iterative.rounds.verdict import Verdict
from lit_iterative.rounds.weights import (
    keep_primitives,
    load_checkpoint_weights,
    load_weights,
    save_weights,
    tensors_of,
)
from lit_iterative.seeds import seed_all

STATE = "lit_iterative_rounds"
INITIAL = "initial.pt"
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
    ) -> None:
        self.when = when
        self.dirpath = dirpath
        self.seed = seed
        self.plan = Plan(phases, seed or 0, shard_size)
        self._begin()

    def _begin(self) -> None:
        self.rounds_made = 0
        self.last_epoch: int | None = None
        self.plateau = Plateau()
        self._pending = False
        self._at_boundary = False
        self._resumed_at_boundary = False
        self._resumed_by_itself = False
        self._stopped = False
        self._fresh = False
        self._own_reference = False
        self._metrics: dict[str, float] = {}
        self._telemetry = Telemetry()

    # ---- what you may override ------------------------------------------------------------------------

    def should_refresh(self, trainer: pl.Trainer) -> bool:
        """Tell whether a round is due in front of the epoch that begins."""
        total = self.plan.rounds
        if total is not None and len(self._path) >= total:
            return False
        return self.when.due(trainer.current_epoch, self.last_epoch, self.rounds_made, self.plateau.waited)

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
        checks.check_strategy(trainer)
        self._guards = checks.guards(trainer, self.plan)
        self._ranks = TrainerRanks(trainer)
        self._store = Store(self._folder(trainer))
        if self.seed is None:  # known only now; and ranks started by another have it earlier than that one
            self.plan = replace(self.plan, seed=self._ranks.broadcast(int(os.environ.get("PL_GLOBAL_SEED", 0))))
        self._data.attach(self._store, self.plan.seed)
        self._check_plan()
        checks.check_pool(self._data)  # found now, not after the warm-up
        self._telemetry.begin(trainer, pl_module, self.plan)
        point = self._ranks.broadcast(self._store.resume_point())
        self._resumes = point is not None
        if point is not None:
            _compat.resume_from(trainer, point, self._resume_by_itself)

    def _resume_by_itself(self) -> None:
        self._resumed_by_itself = True

    def _folder(self, trainer: pl.Trainer) -> str:
        if trainer.fast_dev_run:  # type: ignore[attr-defined]  # nothing of a trial may be resumed by the run itself
            made = tempfile.mkdtemp(prefix="lit-iterative-") if self._ranks.rank == 0 else ""
            trial: str = self._ranks.broadcast(made)
            return trial
        return self.dirpath or os.path.join(trainer.default_root_dir, "rounds")

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Draw no more figures."""
        self._telemetry.close()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave nothing of a trial (``fast_dev_run``), and no process."""
        self._telemetry.close()
        if stage == "fit" and trainer.fast_dev_run and self._ranks.rank == 0:  # type: ignore[attr-defined]
            self._store.files.remove("")

    def _check_plan(self) -> None:
        made_by = self._store.plan()
        if made_by not in (None, self.plan.fingerprint):
            raise StoreError(
                f"The rounds in {self._store.url} were made by another plan ({made_by}, now "
                f"{self.plan.fingerprint}). Choose another dirpath for a new run, undo the change to go on with that "
                "one, or delete the folder."
            )

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep what later rounds may go back to: schedules, and the weights from before training."""
        checks.check_optimisation(trainer, pl_module, self._data, self.plan)
        schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
        self._schedules = snapshot_schedules(schedulers)
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        self._scaler = None if scaler is None else scaler.state_dict()
        known = self._resumes and self._store.files.exists(INITIAL)
        if self._needs_initial() and self._ranks.rank == 0 and not known:
            save_weights(self._store.files, INITIAL, tensors_of(pl_module))
        if self._ranks.rank == 0:
            note_command(self._store)
        self._ranks.barrier()

    def _needs_initial(self) -> bool:
        return any(phase.weights.needs_initial or any(parts_of(phase.ops, Initial)) for phase in self.plan.phases)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the round that is served to callbacks that monitor it."""
        monitor(trainer, self._latest())
        if self._stopped and self._resumed_by_itself:
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
        if not self._pending:  # else they are those that the boundary was saved with
            # Rank 0's for all, since metrics need not be synchronised and weights must not part.
            self._metrics |= self._ranks.broadcast(_numbers(trainer))
        if not self._pending and trainer.current_epoch > 0:
            self.plateau.update(self.when, self._metrics)
        due = self._pending or self.should_refresh(trainer)
        if trainer.strategy.reduce_boolean_decision(due, all=False):
            if self._was_last():
                self._stop(trainer)
            else:
                self.refresh(trainer, pl_module)
        self._pending = False

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the first epoch of a round from the same random state, resumed or not, and from a sound reference."""
        if self._fresh:
            if self._own_reference:
                check_reference(pl_module, batch)
            seed_all(self.plan.seed, "train", self.rounds_made, trainer.global_rank)
            self._fresh = False

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the end of the fit, so that the same command finds it done and a longer one goes on."""
        self._metrics |= _numbers(trainer)
        self._stopped = trainer.should_stop
        if self._ranks.rank == 0:
            self._store.reopen()
        self._save(trainer, LAST, pending=False)
        if self._ranks.rank == 0:
            self._store.finish(self._metrics, self.plan.fingerprint)
        self._ranks.barrier()

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the metrics of a run that had already ended, which has not trained and so has none."""
        for name, value in self._metrics.items():
            trainer.callback_metrics.setdefault(name, torch.tensor(value))
        self._telemetry.end(trainer, self._store)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the state of the rounds."""
        if self._at_boundary:
            _compat.at_epoch_start(checkpoint)
            keep_primitives(checkpoint, HYPER_PARAMETERS)
        metrics = self._metrics if self._at_boundary else self._metrics | _numbers(trainer)
        checkpoint[STATE] = {
            "rounds": self.rounds_made,
            "last_epoch": self.last_epoch,
            "best": self.plateau.best,
            "waited": self.plateau.waited,
            "pending": self._pending,
            "at_boundary": self._at_boundary,
            "stopped": self._stopped,
            "metrics": dict(metrics),
        }

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore the state of the rounds."""
        state = checkpoint.get(STATE)
        if state is None:
            return
        self.rounds_made, self.last_epoch = state["rounds"], state["last_epoch"]
        self.plateau = Plateau(state["best"], state["waited"])
        self._pending, self._resumed_at_boundary = state["pending"], state["at_boundary"]
        self._stopped = state["stopped"]
        self._metrics = dict(state["metrics"])

    # ---- a round --------------------------------------------------------------------------------------

    @property
    def _path(self) -> list[int]:
        """The rounds on which the next one builds."""
        return self._store.path(self.rounds_made)

    def _latest(self) -> Version | None:
        """Return the last of the rounds on which the next one builds."""
        path = self._path
        return self._store.open(path[-1]) if path else None

    def refresh(self, trainer: pl.Trainer, module: pl.LightningModule) -> Version:
        """Make the next round, or take it from the store, and let training go on with it or as guards decide."""
        round, place = self.rounds_made, len(self._path)
        phase: Phase = resolve(self.plan.phase(place), place, self._metrics | self._verdict().known_factors)
        context = self._context(trainer, module)
        facts = self._facts(trainer, module, context, phase)
        version = self._committed(facts)
        if version is None:
            self._write_boundary(trainer, facts)
            judge = partial(self._judge, facts)
            with Progress(trainer, round) as progress:
                context = replace(context, progress=progress.rows)
                version = make_round(self.plan, phase, self._store, facts, context, progress.stage, judge)
        verdict = version.manifest.verdict
        if self._guards is not None:
            self._guards.tell(trainer, version)
        if verdict.sound:
            self._sync(trainer, module, phase)
        self.rounds_made, self.last_epoch = round + 1, trainer.current_epoch
        if not verdict.sound:
            return self._turn(trainer, module, version)
        self.plateau.waited = 0  # the next plateau is one of training on the new data
        self._swap(trainer, version)
        self._telemetry.round(trainer, module, version, context.previous, context.pool)
        return version

    # ---- what guards decide ---------------------------------------------------------------------------

    def _verdict(self) -> Verdict:
        """Return the verdict on the round made last."""
        return self._store.open(self.rounds_made - 1).manifest.verdict if self.rounds_made else Verdict()

    def _was_last(self) -> bool:
        return self._verdict().last and not self._pending

    def _judge(self, facts: Facts, measured: dict[str, Any]) -> Verdict:
        """Ask the guards; on rank 0 alone, whose answer the manifest tells the others."""
        if self._guards is None:
            return Verdict(factors=self._verdict().factors)
        past = [version.manifest for version in map(self._store.open, range(facts.round))]
        return self._guards.judge(past, facts.metrics, measured)

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
            self._reload(trainer, version.round)
        return version

    def _stop(self, trainer: pl.Trainer) -> None:
        """End the fit before it trains any further."""
        trainer.should_stop = True
        rank_zero_info(f"Guards end the run in front of epoch {trainer.current_epoch}.")

    def _go_back(self, trainer: pl.Trainer, module: pl.LightningModule, round: int) -> None:
        """Bring training to where it was in front of a round, and the data to what was served there."""
        state = go_back(trainer, module, self._store.files, f"{folder(round)}/{BOUNDARY}")[STATE]
        self.last_epoch = state["last_epoch"]
        self.plateau = Plateau(state["best"], state["waited"])
        self._metrics = dict(state["metrics"])
        trainer.callback_metrics.clear()  # of rounds that are left behind
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in self._metrics.items()})
        self._own_reference = False
        self._data.serve(self._latest())

    # ---- parts of a round -----------------------------------------------------------------------------

    def _context(self, trainer: pl.Trainer, module: pl.LightningModule) -> Context:
        previous, path = self._latest(), self._path
        saved: dict[str, Callable[[], Weights]] = {"initial": self._initial}
        saved |= {f"round {place}": partial(self._past, past) for place, past in enumerate(path)}
        saved[f"round {len(path)}"] = partial(tensors_of, module)
        saved["previous"] = saved[f"round {max(len(path) - 1, 0)}"]
        teacher = teacher_of(trainer)
        if teacher is not None:
            saved["ema"] = teacher.weights
        return Context(
            pool=self._data.pool_after(previous),
            round=self.rounds_made,
            seed=self.plan.seed,
            metrics=self._metrics,
            ranks=self._ranks,
            forward=ForwardPass(trainer, module, saved),
            previous=previous,
            memory=dict(previous.manifest.memory) if previous is not None else {},
            ledger=previous.ledger() if previous is not None else None,
        )

    def _initial(self) -> Weights:
        return load_weights(self._store.files, INITIAL)

    def _past(self, round: int) -> Weights:
        return load_checkpoint_weights(self._store.files, f"{folder(round)}/{BOUNDARY}")

    def _facts(self, trainer: pl.Trainer, module: pl.LightningModule, context: Context, phase: Phase) -> Facts:
        teacher = teacher_of(trainer)
        averages = [] if teacher is None else [dict(teacher.weights())]
        latest = self._latest()
        hashed = hash_weights(tensors_of(module), *averages) if self._ranks.rank == 0 else ""
        facts = Facts(
            round=context.round,
            plan=self.plan.fingerprint,
            ops=hash_parts([*phase.ops, phase.merge, phase.weights]),
            seed=self.plan.seed,
            weights=hashed,
            pool=context.pool.fingerprint,
            previous=None if latest is None else latest.manifest.key,
            metrics=self._metrics,
            epoch=trainer.current_epoch,
            global_step=trainer.global_step,
        )
        decided: Facts = self._ranks.broadcast(facts)
        if self._ranks.max(int(decided.pool != facts.pool)):
            raise DataError(
                "The ranks have pools with different ids. Split the data from a fixed seed, the same on every rank."
            )
        return decided

    def _committed(self, facts: Facts) -> Version | None:
        """Return the round if it is in the store, made from the same facts."""
        version = self._store.open(facts.round) if facts.round in self._store.rounds() else None
        return version if version is not None and version.manifest.key == facts.key else None

    def _write_boundary(self, trainer: pl.Trainer, facts: Facts) -> None:
        """Save the trainer in front of the round, unless a run that was stopped here has done so."""
        draft = self._store.draft(facts.round)
        begun = draft.begun and draft.facts()["key"] == facts.key
        if self._ranks.broadcast(begun):
            return
        if self._ranks.rank == 0:
            moved = self._store.supersede(facts.round)
            if moved:
                rank_zero_warn(f"This run starts round {facts.round} from other weights; set aside: {moved}.")
        self._ranks.barrier()
        self._save(trainer, f"{draft.base}/{BOUNDARY}", pending=True)
        if self._ranks.rank == 0:
            draft.begin(facts.to_dict())
        self._ranks.barrier()

    def _save(self, trainer: pl.Trainer, name: str, pending: bool) -> None:
        self._pending, self._at_boundary = pending, True
        try:
            self._store.files.guarded(
                name, partial(trainer.save_checkpoint, self._store.files.path(name), weights_only=False)
            )
        finally:
            self._pending, self._at_boundary = False, False

    def _sync(self, trainer: pl.Trainer, module: pl.LightningModule, phase: Phase) -> None:
        """Bring weights, optimisers and schedules to where the phase wants them."""
        versions = [self._store.open(round) for round in self._path]
        scores: dict[int, Mapping[str, float]] = {v.round: v.manifest.metrics_before for v in versions}
        scores[self.rounds_made] = self._metrics
        context = SyncContext(self.rounds_made, self.plan.seed, self._initial, self._past, scores)
        changed = phase.weights.apply(module, context)
        self._own_reference = is_own_reference(phase, changed)
        teacher = teacher_of(trainer)
        if changed and teacher is not None:
            teacher.reset(module)
        if changed and self._scaler is not None:
            trainer.precision_plugin.scaler.load_state_dict(self._scaler)  # type: ignore[attr-defined]
        if phase.optimizer == "reset":
            reset_optimizers(trainer.optimizers)
        if phase.schedule == "rewarm":
            rewarm_schedules([config.scheduler for config in trainer.lr_scheduler_configs], self._schedules)

    def _swap(self, trainer: pl.Trainer, version: Version) -> None:
        """Serve the round from now on."""
        if not version.manifest.shards:
            rank_zero_warn(
                f"Round {version.round} is empty: none of {version.manifest.pool_rows} inputs was kept. Training goes "
                "on with the data of before. Lower the threshold, or train longer before the first round."
            )
        self._own_reference &= version.manifest.serves == version.round  # else with the references of before
        self._data.serve(version)
        self._reload(trainer, version.round)

    def _reload(self, trainer: pl.Trainer, round: int) -> None:
        """Build the train loader anew, in an order and a random state that depend on the round alone."""
        seed_all(self.plan.seed, "swap", round, trainer.global_rank)
        _compat.reload_train_dataloader(trainer)
        seed_all(self.plan.seed, "swap", round, trainer.global_rank)
        self._fresh = True


def _numbers(trainer: pl.Trainer) -> dict[str, float]:
    """Return the trainer's metrics that are numbers."""
    return {name: float(value) for name, value in trainer.callback_metrics.items() if value.numel() == 1}
