"""Two ranks that know a metric differently, as where ``sync_dist`` was forgotten: ``python unsynced.py DIR``."""

import json
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from lit_iterative.callbacks import PseudoLabels
from lit_iterative.rounds import RollBack
from lit_iterative.rounds.make import hash_weights
from tests.projects.tiny import TinyModule, fit


class Unsynced(TinyModule):
    """Gets better in the eyes of rank 0, worse in those of rank 1."""

    def __init__(self) -> None:
        super().__init__(norm=False)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        epoch = float(self.trainer.current_epoch)
        self.log("watched", epoch if self.global_rank == 0 else -epoch)


class Starts(pl.Callback):
    """Notes the weights at the start of every epoch."""

    def __init__(self) -> None:
        self.weights: list[str] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == 0:
            self.weights.append(hash_weights(pl_module.state_dict()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    starts = Starts()
    made = fit(
        sys.argv[1], [PseudoLabels(0.5, weights=RollBack("watched")), starts], module=Unsynced,
        devices=2, strategy="ddp", max_epochs=4,
    )  # fmt: skip
    Path(sys.argv[1], f"starts-{made.global_rank}.json").write_text(json.dumps(starts.weights))
