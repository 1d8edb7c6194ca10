"""What a round leaves in the loggers."""

from typing import Any

import lightning.pytorch as pl

from lit_iterative.pool import Pool
from lit_iterative.rounds.store import Version


def log_round(
    trainer: pl.Trainer, module: pl.LightningModule, version: Version, previous: Any, pool: Pool
) -> None:
    """Log a round on the global step (``round/…``, for monitors) and on a round axis (``by_round/…``)."""
    scalars = {name: float(value) for name, value in version.manifest.metrics.items() if isinstance(value, int | float)}
    module.log_dict({f"round/{name}": value for name, value in scalars.items()}, on_epoch=True, sync_dist=True)
    scalars["seconds"] = version.manifest.seconds  # no metric: schedules and plateaus must not depend on it
    for logger in trainer.loggers:
        logger.log_metrics({f"by_round/{name}": value for name, value in scalars.items()}, step=version.round)
