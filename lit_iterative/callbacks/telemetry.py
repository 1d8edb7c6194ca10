"""What a round leaves in the loggers.

Scalars go to every logger: ``round/…`` on the global step, where checkpoints and early stopping can monitor
them, and ``by_round/…`` with the round as the step. TensorBoard also gets, with the round as the step, a
histogram of confidence, samples of text and, where matplotlib is installed, figures.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_info

from lit_iterative.callbacks.samples import samples
from lit_iterative.callbacks.snapshot import Snapshot
from lit_iterative.columns import Array
from lit_iterative.pool import Pool
from lit_iterative.rounds.diagnostics import class_counts, class_flow, confusion, reliability
from lit_iterative.rounds.manifest import Manifest
from lit_iterative.rounds.store import Version

EDGES = np.linspace(0.0, 1.0, 201)  # fine enough to show what passes a threshold of 0.95


def log_round(trainer: pl.Trainer, module: pl.LightningModule, version: Version, previous: Any, pool: Pool) -> None:
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
    scalars = scalars_of(version.manifest)
    for logger in trainer.loggers:
        logger.log_metrics({f"by_round/{name}": value for name, value in scalars.items()}, step=version.round)
    boards = [logger.experiment for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
    if boards:
        _show(boards, version, previous, pool)


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
    return {f"round/{name}": value for name, value in scalars.items() if name != "seconds"}


def scalars_of(manifest: Manifest) -> dict[str, float]:
    """Return the measured numbers of a round, and the seconds that it took."""
    scalars = {name: float(value) for name, value in manifest.metrics.items() if isinstance(value, int | float)}
    return {**scalars, "seconds": manifest.seconds}


def _show(boards: list[Any], version: Version, previous: Version | None, pool: Pool) -> None:
    """Write the histogram and the figures; an empty round has no data to show but where it went."""
    now = Snapshot.of(version, pool) if version.manifest.shards else None
    before = Snapshot.of(previous, pool) if previous is not None and now is not None else None
    for board in boards:
        if now is not None and now.confidence is not None:
            board.add_histogram("by_round/confidence_histogram", now.confidence, version.round, bins=EDGES)
    table = samples(version)
    if table is not None:
        for board in boards:
            board.add_text("by_round/samples", table, version.round)
    for name, image in _images(version.manifest, now, before, pool):
        for board in boards:
            board.add_image(f"by_round/{name}", image, version.round, dataformats="HWC")
    for board in boards:
        board.flush()


def _images(
    manifest: Manifest, now: Snapshot | None, before: Snapshot | None, pool: Pool
) -> Iterator[tuple[str, Array]]:
    """Yield the name and the pixels of every figure that the data allows; none without matplotlib."""
    try:
        from lit_iterative.callbacks import figures
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "matplotlib":
            raise
        _tell_of_extra()
        return
    names, rows = ["pool"], [manifest.pool_rows]
    for op in manifest.ops:
        names.append(op.name)
        rows.append(op.rows_out)
    yield "rows_after_ops", figures.render(figures.funnel(manifest.round, names, rows))
    if now is not None and now.labels is not None:
        yield from _of_labels(manifest.round, now, now.labels, before, pool)
        yield from _of_truth(manifest.round, now, now.labels)


@cache
def _tell_of_extra() -> None:
    """Say once what figures need."""
    rank_zero_info('Figures of the rounds are left out: they need matplotlib (pip install "lit-iterative[plots]").')


def _of_labels(
    round: int, now: Snapshot, labels: Array, before: Snapshot | None, pool: Pool
) -> Iterator[tuple[str, Array]]:
    """Yield the figures that need labels alone."""
    from lit_iterative.callbacks import figures

    old = None if before is None else before.labels
    hidden = None if pool.truth is None else np.asarray(pool.truth)
    classes = _classes(labels, old, hidden)
    old_rows, hidden_rows = (None if part is None else class_counts(part, classes) for part in (old, hidden))
    rows = class_counts(labels, classes)
    yield "class_distribution", figures.render(figures.class_distribution(round, rows, old_rows, hidden_rows))
    if before is not None and old is not None:
        flow = class_flow(now.ids, labels, before.ids, old, classes)
        yield "class_flow", figures.render(figures.class_flow(round, flow))


def _of_truth(round: int, now: Snapshot, labels: Array) -> Iterator[tuple[str, Array]]:
    """Yield the figures that compare labels with hidden ones."""
    from lit_iterative.callbacks import figures

    if now.truth is None or not (now.truth >= 0).any():
        return
    known = now.truth >= 0
    counts = confusion(now.truth, labels, _classes(labels, now.truth))
    yield "confusion", figures.render(figures.confusion_matrix(round, counts))
    if now.confidence is not None:
        confidence, right = now.confidence[known], (labels == now.truth)[known]
        # What passed a threshold would all lie in one bin of [0, 1].
        low = min(0.95, np.floor(20 * confidence.min()) / 20)
        bins = reliability(confidence, right, bins=10, low=low)
        yield "reliability", figures.render(figures.reliability_diagram(round, bins))


def _classes(*labels: Array | None) -> int:
    return 1 + max(int(part.max(initial=0)) for part in labels if part is not None)
