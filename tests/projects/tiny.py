"""A tiny project: points in the plane around three centres, a small network with every source of randomness.

Run it as a script to train in a process of its own: ``python tiny.py DIR [--devices 2] [--key value …]``.
"""

import argparse
import json
import os
from functools import partial
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lit_iterative.callbacks import PseudoLabels, Rounds
from lit_iterative.datamodules import Mixing, Refreshable
from lit_iterative.rounds.store import Store

CENTRES = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])


def points(rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    label = torch.arange(rows) % 3
    return CENTRES[label] + torch.randn(rows, 2, generator=draw), label


class TinyModule(pl.LightningModule):
    """Dropout, batch norm, momentum, a schedule: all that a resume could lose."""

    def __init__(self, lr: float = 0.05, norm: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Linear(2, 16)]
        layers += [nn.BatchNorm1d(16)] if norm else []
        self.net = nn.Sequential(*layers, nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
        self.lr = lr

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss, on_epoch=True, on_step=False)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        hits = (self(batch[0]).argmax(1) == batch[1]).float()
        self.log("val_accuracy", hits.mean(), batch_size=len(hits), sync_dist=True)
        self.log(
            "val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]), batch_size=len(hits), sync_dist=True
        )

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.7)]


class TinyData(pl.LightningDataModule):
    """Knows nothing of rounds."""

    def __init__(self, labelled: int = 30, pool: int = 200, workers: int = 0, batch_size: int = 16) -> None:
        super().__init__()
        self.sizes, self.workers, self.batch_size = (labelled, pool), workers, batch_size

    def loader(self, rows: int, seed: int, shuffle: bool = False) -> DataLoader:
        options = {"persistent_workers": True} if self.workers else {}
        data = TensorDataset(*points(rows, seed))
        return DataLoader(data, self.batch_size, shuffle=shuffle, num_workers=self.workers, **options)

    def train_dataloader(self) -> DataLoader:
        return self.loader(self.sizes[0], 1, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return self.loader(60, 2)

    def predict_dataloader(self) -> DataLoader:
        return self.loader(self.sizes[1], 3)


class TinyRefreshable(Refreshable, TinyData):
    """The same, with rounds."""

    def pool_truth(self) -> torch.Tensor:
        return points(self.sizes[1], 3)[1].numpy()


def trainer(dirpath: str, callbacks: list[pl.Callback], **options: Any) -> pl.Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    settings = {"max_epochs": 8, "accelerator": "cpu", "devices": 1, "logger": False, "log_every_n_steps": 1}
    return pl.Trainer(default_root_dir=dirpath, callbacks=callbacks, **{**quiet, **settings, **options})


def fit(
    dirpath: str,
    callback: Rounds | list[pl.Callback] | None = None,
    data: Any = None,
    module: Any = None,
    **options: Any,
) -> pl.Trainer:
    """Train from a fixed seed; the same arguments on the same folder go on where a crash fell."""
    pl.seed_everything(7, verbose=False)
    callback = callback or PseudoLabels(0.8, every_n_epochs=2, warmup_epochs=2)
    made = trainer(dirpath, callback if isinstance(callback, list) else [callback], **options)
    made.fit(module() if module else TinyModule(), data or TinyRefreshable())
    return made


def outcome(dirpath: str, made: pl.Trainer) -> dict[str, Any]:
    """Return all that must not depend on crashes: data, metrics, weights."""
    from lit_iterative.rounds.make import hash_weights

    versions = list(Store(os.path.join(dirpath, "rounds")).versions())
    return {
        "shards": [[shard.sha256 for shard in version.manifest.shards] for version in versions],
        "measured": [version.manifest.metrics for version in versions],
        "before": [version.manifest.metrics_before for version in versions],
        "metrics": {name: float(v) for name, v in made.callback_metrics.items()},
        "weights": hash_weights(made.lightning_module.state_dict()),
        "steps": made.global_step,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dirpath")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--pool", type=int, default=200)
    parser.add_argument("--shard-size", type=int, default=64)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threshold", type=float, default=0.8)
    parser.add_argument("--die-in-round", type=int, default=-1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    from tests.projects.pipelines import stateful

    callback = stateful(given.threshold, given.warmup, given.shard_size, given.die_in_round)
    strategy = "ddp" if given.devices > 1 else "auto"
    data = TinyRefreshable(pool=given.pool)
    data.mixing = Mixing(weighting="ignore")
    options = {"devices": given.devices, "strategy": strategy, "logger": CSVLogger(given.dirpath)}
    made = fit(given.dirpath, callback, data, partial(TinyModule, given.lr, norm=False), **options)
    if made.is_global_zero:
        with open(os.path.join(given.dirpath, "outcome.json"), "w") as file:
            json.dump(outcome(given.dirpath, made), file)


if __name__ == "__main__":
    main()
