"""What a round leaves in the loggers.

Scalars go to every logger: ``round/…`` on the global step, where checkpoints and early stopping can monitor
them, and ``by_round/…`` with the round as the step. TensorBoard also gets, with the round as the step, a
histogram of confidence, samples of text and, where matplotlib is installed, figures, which loggers that take
pictures get as well; and a page of charts, and hyperparameters beside the outcome of the run.

Figures are drawn in a process beside the training, which adds them to TensorBoard when they are done. A fit that ends
while some are left waits for them only shortly, so that telemetry costs little of its time.
"""

import time
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard.summary import hparams

from lit_iterative.callbacks.drawings import drawings, scores_by_length
from lit_iterative.callbacks.layout import layout
from lit_iterative.callbacks.outcome import OUTCOME, hyperparameters, outcome
from lit_iterative.callbacks.painting import Drawing, Painter
from lit_iterative.callbacks.samples import samples
from lit_iterative.callbacks.snapshot import Snapshot
from lit_iterative.pool import Pool
from lit_iterative.rounds.manifest import Manifest
from lit_iterative.rounds.measure import MEASURED
from lit_iterative.rounds.plan import Plan
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.version import Version

EDGES = np.linspace(0.0, 1.0, 201)  # fine enough to show what passes a threshold of 0.95
#: How long to wait at the end for figures that are left: where TensorBoard alone shows them, this share of the fit's
#: time; else so many seconds, since other loggers get no later ones.
SHARE, PICTURES = 0.005, 10.0
HELD_OUT = ("val_", "val/", "test_", "test/")


class Telemetry:
    """Logs the rounds of a fit; all ranks call it, and only the first one writes."""

    def __init__(self) -> None:
        self._painter = Painter()
        self._laid_out = False
        self._began = time.monotonic()

    def begin(self, trainer: pl.Trainer, module: pl.LightningModule, plan: Plan) -> None:
        """Log what decides the run; called before Lightning does, since TensorBoard keeps what comes first.

        Args:
            trainer: The trainer.
            module: The module, whose hyperparameters Lightning logs to other loggers.
            plan: The plan of the rounds.
        """
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                given = hyperparameters(plan, dict(module.hparams))
                first, start, _ = _summaries(given, dict.fromkeys(OUTCOME, 0.0))
                for summary in (first, start):
                    logger.experiment.file_writer.add_summary(summary)
            else:
                logger.log_hyperparams(hyperparameters(plan))

    def round(
        self, trainer: pl.Trainer, module: pl.LightningModule, version: Version, previous: Any, pool: Pool
    ) -> None:
        """Log a round; every rank calls this, inside of a hook that may log.

        Args:
            trainer: The trainer.
            module: The module whose metrics are logged.
            version: The round.
            previous: The round before, if there was one.
            pool: The pool, with hidden labels where they exist.
        """
        module.log_dict(_monitored(version), on_epoch=True, sync_dist=True, batch_size=1)
        monitor(trainer, version)
        if not trainer.is_global_zero:
            return
        scalars = scalars_of(version.manifest) | before_of(version.manifest)
        for logger in trainer.loggers:
            logger.log_metrics({f"by_round/{name}": value for name, value in scalars.items()}, step=version.round)
        if any(map(_shows, trainer.loggers)):
            self._show(trainer.loggers, version, previous, pool)

    def _show(self, loggers: list[Logger], version: Version, previous: Version | None, pool: Pool) -> None:
        """Write the histogram and the samples, and begin the figures; an empty round has but where its rows went."""
        now = Snapshot.of(version, pool) if version.manifest.shards else None
        before = Snapshot.of(previous, pool) if previous is not None and now is not None else None
        table = samples(version)
        for board in _boards(loggers):
            if not self._laid_out:
                board.add_custom_scalars(layout([*version.manifest.metrics, *before_of(version.manifest), "seconds"]))
            if now is not None and now.confidence is not None:
                board.add_histogram("by_round/confidence_histogram", now.confidence, version.round, bins=EDGES)
            if table is not None:
                board.add_text("by_round/samples", table, version.round)
            board.flush()
        self._laid_out = True
        _log_pictures(loggers, self._painter.done())
        log_dirs = [logger.log_dir for logger in loggers if isinstance(logger, TensorBoardLogger)]
        if not self._painter.start(log_dirs, any(map(_takes_pictures, loggers))):
            return
        for drawing in (*drawings(version.manifest, now, before, pool), *scores_by_length(version)):
            self._painter.draw(drawing)

    def end(self, trainer: pl.Trainer, store: Store) -> None:
        """Log the outcome, and the figures that are left.

        Args:
            trainer: The trainer, at the end of the fit.
            store: The store.
        """
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        found = outcome(store)
        for logger in trainer.loggers:
            logger.log_metrics(found, step=trainer.global_step)
        for board in _boards(trainer.loggers):
            board.file_writer.add_summary(_summaries({}, {})[2])  # that the session has ended
        pictures = any(map(_takes_pictures, trainer.loggers))
        patience = PICTURES if pictures else SHARE * (time.monotonic() - self._began)
        _log_pictures(trainer.loggers, self._painter.finish(patience))

    def close(self) -> None:
        """Draw no more, after an error for example."""
        self._painter.close()


def _summaries(given: Mapping[str, Any], metrics: Mapping[str, float]) -> tuple[Summary, Summary, Summary]:
    """Return what TensorBoard knows hyperparameters by: the table, the beginning and the end of a run."""
    found: tuple[Summary, Summary, Summary] = hparams(given, metrics)  # type: ignore[no-untyped-call]  # torch's
    return found


def _boards(loggers: Iterable[Logger]) -> list[Any]:
    return [logger.experiment for logger in loggers if isinstance(logger, TensorBoardLogger)]


def _shows(logger: Logger) -> bool:
    return isinstance(logger, TensorBoardLogger) or _takes_pictures(logger)


def _takes_pictures(logger: Logger) -> bool:
    return hasattr(logger, "log_image")


def _log_pictures(loggers: Iterable[Logger], figures: Iterable[tuple[Drawing, bytes]]) -> None:
    """Give figures to those loggers that take them as pictures; TensorBoard gets its own from the painter."""
    for drawing, png in figures:
        from PIL import Image  # which matplotlib needs, and so is there

        for logger in filter(_takes_pictures, loggers):
            picture = Image.open(BytesIO(png))
            logger.log_image(f"by_round/{drawing.name}", [picture], step=drawing.round)  # type: ignore[attr-defined]


def monitor(trainer: pl.Trainer, version: Version | None) -> None:
    """Let checkpoints and early stopping see the round that is served, at once and in epochs without a round.

    Lightning would show them what was logged only when the epoch ends, which is after its validation.

    Args:
        trainer: The trainer.
        version: The round; none during the warm-up, when there are no rows and the coverage is 0.
    """
    values = {"round/rows": 0.0, "round/coverage": 0.0} if version is None else _monitored(version)
    trainer.callback_metrics.update({name: torch.tensor(value) for name, value in values.items()})


def _monitored(version: Version) -> dict[str, float]:
    """Return what may be monitored: not the seconds, since schedules and plateaus must not depend on the clock."""
    scalars = scalars_of(version.manifest)
    return {f"{MEASURED}{name}": value for name, value in scalars.items() if name != "seconds"}


def scalars_of(manifest: Manifest) -> dict[str, float]:
    """Return the measured numbers of a round, and the seconds that it took."""
    scalars = {name: float(value) for name, value in manifest.metrics.items() if isinstance(value, int | float)}
    return {**scalars, "seconds": manifest.seconds}


def before_of(manifest: Manifest) -> dict[str, float]:
    """Return the held-out metrics as they were in front of a round."""
    known = manifest.metrics_before
    return {f"before/{name}": value for name, value in known.items() if name.startswith(HELD_OUT)}
