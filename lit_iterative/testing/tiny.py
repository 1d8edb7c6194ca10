"""A tiny training run: two clouds of points, a network of two layers, and a callback that stops it dead."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from lit_iterative.datamodules import Refreshable
from lit_iterative.rounds.store import Store

EPOCHS, LABELLED, POOL, BATCH = 3, 8, 20, 16


class Clouds(Dataset[Any]):
    """Two clouds of points in the plane, with their class.

    Args:
        rows: Points.
        seed: Seed of the points.
    """

    def __init__(self, rows: int, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.labels = torch.arange(rows) % 2
        self.points = torch.randn(rows, 2, generator=draw) + 2.0 * self.labels[:, None]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.points[index], int(self.labels[index])


class TinyModule(pl.LightningModule):
    """A classifier with dropout and batch norm, so that random states and buffers count."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(2, 6), nn.BatchNorm1d(6), nn.Dropout(0.2), nn.Linear(6, 2))

    def forward(self, points: Tensor) -> Tensor:
        """Return logits, ``(rows, 2)``."""
        logits: Tensor = self.network(points)
        return logits

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the cross-entropy."""
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Log the accuracy."""
        self.log("val_accuracy", (self(batch[0]).argmax(dim=1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return an optimiser with a state."""
        return torch.optim.Adam(self.parameters(), lr=0.05)


def tiny_data() -> Refreshable:
    """Return a refreshable DataModule over the clouds."""
    train = DataLoader(Clouds(LABELLED, 0), BATCH, shuffle=True)
    return Refreshable.from_loaders(train, pool=DataLoader(Clouds(POOL, 1), 8), val=DataLoader(Clouds(8, 2), 8))


class Interruption(RuntimeError):
    """The simulated crash of a training run."""


class Interrupter(pl.Callback):
    """Stops a fit at a given moment, and counts the moments that there are.

    Moments are the start and end of every epoch and of every batch, and the writing of every checkpoint.

    Args:
        moment: The moment at which to stop; never where left out.
        starts_only: Whether only starts of epochs are moments.
    """

    def __init__(self, moment: int | None = None, starts_only: bool = False) -> None:
        self.moment = moment
        self.starts_only = starts_only
        self.passed = 0

    def _tick(self, is_start: bool = False) -> None:
        if self.starts_only and not is_start:
            return
        self.passed += 1
        if self.passed - 1 == self.moment:
            raise Interruption(f"Stopped at moment {self.moment}.")

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A moment."""
        self._tick(is_start=True)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """A moment."""
        self._tick()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A moment."""
        self._tick()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A moment."""
        self._tick()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """A moment."""
        self._tick()


def fit(callbacks: list[pl.Callback], folder: str, epochs: int = EPOCHS) -> pl.Trainer:
    """Train on the CPU and return the trainer.

    Args:
        callbacks: The callbacks.
        folder: For the round store, below ``rounds``.
        epochs: Epochs of training.
    """
    with _quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        trainer = pl.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            devices=1,
            callbacks=callbacks,
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(TinyModule(), tiny_data())
    return trainer


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what Lightning says at the start of every fit; there are dozens."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def rows_of(folder: str) -> list[Any]:
    """Return what every round in the store holds: ids, labels and hashes of its shards."""
    return [
        (version.round, version.manifest.serves, [shard.sha256 for shard in version.manifest.shards])
        for version in Store(f"{folder}/rounds").versions()
    ]


def weights_of(trainer: pl.Trainer) -> dict[str, Tensor]:
    """Return the weights at the end of a fit."""
    module = trainer.lightning_module
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
