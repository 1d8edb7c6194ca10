"""The control of a run: the same model, trained for the same number of steps without rounds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, Timer
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities.model_helpers import is_overridden

from lit_iterative.callbacks import EMATeacher, Rounds
from lit_iterative.datamodules import Refreshable

#: Callbacks that make rounds, end the fit, or write where the run itself writes.
LEFT_OUT = (Rounds, EMATeacher, Checkpoint, EarlyStopping, Timer)


@dataclass(frozen=True)
class Budget:
    """What a control may spend.

    Args:
        steps: Optimiser steps.
        batches: Batches; more than steps where gradients are accumulated.
        epochs: Epochs.
        rows_per_batch: Rows of a batch on all ranks, where it is known.
    """

    steps: int
    batches: int
    epochs: int
    rows_per_batch: int | None

    @property
    def rows_per_epoch(self) -> int | None:
        """Rows that an epoch had on average, in whole batches."""
        if self.rows_per_batch is None:
            return None
        return max(1, -(-self.batches // max(1, self.epochs))) * self.rows_per_batch


def budget_of(trainer: pl.Trainer) -> Budget:
    """Return what a trainer has spent on its fit, which is the last that it did."""
    loader = trainer.train_dataloader
    batch_size = getattr(loader["labelled"] if isinstance(loader, dict) else loader, "batch_size", None)
    rows = batch_size * trainer.world_size if isinstance(batch_size, int) else None
    return Budget(trainer.global_step, trainer.fit_loop.total_batch_idx + 1, trainer.current_epoch, rows)


def trainer_options(callbacks: Sequence[pl.Callback], run: pl.Trainer, budget: Budget) -> dict[str, Any]:
    """Return the options of the control's trainer that differ from those of the run.

    Args:
        callbacks: Those of the configuration, instantiated anew.
        run: The run's trainer.
        budget: What the control may spend.
    """
    return {
        "callbacks": [callback for callback in callbacks if not isinstance(callback, LEFT_OUT)],
        "logger": _logger(run),
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "min_epochs": None,
        "min_steps": None,
        "max_epochs": -1,
        "max_steps": budget.steps,
        "max_time": None,
    }


def _logger(run: pl.Trainer) -> Logger | bool:
    """Return a logger beside the run's, so that TensorBoard shows both; none where the run has none."""
    return TensorBoardLogger(run.default_root_dir, name="control", version="") if run.loggers else False


def match_epochs(datamodule: Any, budget: Budget) -> None:
    """Make the control's epochs as long as the run's were on average.

    Labelled data alone makes short epochs: schedules that step once an epoch would run out early, and there
    would be many more validations.
    """
    known = budget.rows_per_epoch is not None
    if known and isinstance(datamodule, Refreshable) and datamodule.mixing.rows_per_epoch is None:
        datamodule.mixing = replace(datamodule.mixing, rows_per_epoch=budget.rows_per_epoch)


def held_out(trainer: pl.Trainer, model: pl.LightningModule, datamodule: Any) -> dict[str, float]:
    """Return the metrics of a model at the end of its fit, on validation and test data where there are any."""
    metrics: dict[str, float] = {}
    for stage, run in (("validation", trainer.validate), ("test", trainer.test)):
        loaders = "val_dataloader" if stage == "validation" else "test_dataloader"
        has_data = any(owner is not None and is_overridden(loaders, owner) for owner in (model, datamodule))
        if has_data and is_overridden(f"{stage}_step", model):
            for found in run(model, datamodule=datamodule, verbose=False):
                metrics.update(found)
    return metrics
