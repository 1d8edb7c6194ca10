"""Handwritten digits with ten labels a class: an ordinary Lightning project."""

import argparse
from collections.abc import Sequence

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import MulticlassAccuracy


class Digits(Dataset):
    """Images of 8 x 8 pixels, with labels or without."""

    def __init__(self, images: Tensor, labels: Tensor | None = None) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor | tuple[Tensor, Tensor]:
        image = self.images[index]
        return image if self.labels is None else (image, self.labels[index])


class DigitsData(L.LightningDataModule):
    """A few labelled digits, many unlabelled ones, and others to validate and test on."""

    def __init__(self, batch_size: int = 32) -> None:
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage: str) -> None:
        pixels, digits = load_digits(return_X_y=True)
        order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))
        images = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8)[order] / 16
        labels = torch.tensor(digits)[order]
        self.val, self.test = Digits(images[:150], labels[:150]), Digits(images[150:500], labels[150:500])
        images, labels = images[500:], labels[500:]
        known = torch.cat([(labels == digit).nonzero()[:10, 0] for digit in range(10)])
        unknown = torch.ones(len(labels), dtype=torch.bool).index_fill(0, known, False)
        self.labelled, self.unlabelled = Digits(images[known], labels[known]), Digits(images[unknown])

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.labelled, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, 256)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.test, 256)

    def predict_dataloader(self) -> DataLoader:
        return DataLoader(self.unlabelled, 256)


class DigitsClassifier(L.LightningModule):
    """A small convolutional network."""

    def __init__(self, learning_rate: float = 3e-3) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.network = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 4 * 4, 10),
        )  # fmt: skip
        self.accuracy = MulticlassAccuracy(num_classes=10, average="micro")

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        loss = nn.functional.cross_entropy(self(images), labels)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        images, labels = batch
        self.accuracy(self(images), labels)
        self.log("val_accuracy", self.accuracy, prog_bar=True)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        images, labels = batch
        self.accuracy(self(images), labels)
        self.log("test_accuracy", self.accuracy)

    def predict_step(self, images: Tensor, batch_idx: int) -> Tensor:
        return self(images).softmax(dim=-1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.learning_rate)


def main(arguments: Sequence[str] | None = None) -> L.Trainer:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--dir", default="runs/existing_project")
    args = parser.parse_args(arguments)

    L.seed_everything(0)
    data = DigitsData(args.batch_size)
    callbacks = [ModelCheckpoint(monitor="val_accuracy", mode="max")]
    trainer = L.Trainer(
        max_epochs=args.epochs, accelerator="cpu", callbacks=callbacks, default_root_dir=args.dir, log_every_n_steps=5
    )
    trainer.fit(DigitsClassifier(), data)
    trainer.test(datamodule=data, ckpt_path="best")
    return trainer


if __name__ == "__main__":
    main()
