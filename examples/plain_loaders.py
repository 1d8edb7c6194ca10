"""Rounds without a DataModule: plain loaders, handed over together."""

import argparse
from collections.abc import Sequence

import lightning as L
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lit_iterative.callbacks import PseudoLabels
from lit_iterative.datamodules import Refreshable


class Classifier(L.LightningModule):
    """Two linear layers; rounds label with ``forward``."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network(pixels)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_accuracy", (self(batch[0]).argmax(dim=1) == batch[1]).float().mean(), prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=3e-3)


def main(arguments: Sequence[str] | None = None) -> L.Trainer:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--dir", default="runs/plain_loaders")
    args = parser.parse_args(arguments)

    L.seed_everything(0)
    pixels, digits = load_digits(return_X_y=True)
    pixels, digits = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(digits)
    train = DataLoader(TensorDataset(pixels[:100], digits[:100]), batch_size=32, shuffle=True)
    unlabelled = DataLoader(TensorDataset(pixels[100:1300]), batch_size=256)
    val = DataLoader(TensorDataset(pixels[1300:], digits[1300:]), batch_size=512)

    rounds = PseudoLabels(threshold=0.9, warmup_epochs=20, every_n_epochs=5)
    trainer = L.Trainer(
        max_epochs=args.epochs, accelerator="cpu", callbacks=[rounds], default_root_dir=args.dir, log_every_n_steps=5
    )
    trainer.fit(Classifier(), Refreshable.from_loaders(train, pool=unlabelled, val=val))
    return trainer


if __name__ == "__main__":
    main()
