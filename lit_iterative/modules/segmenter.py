"""Segmenter: a LightningModule around a network that tells the class of every pixel."""

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics.classification import MulticlassJaccardIndex

from lit_iterative.errors import DataError, SetupError
from lit_iterative.losses.regions import IGNORED, consistency, sharpening, smoothing


class Segmenter(pl.LightningModule):
    """Trains a network on images whose pixels have labels, some of them none (-1).

    A batch is ``(images, labels)``. The loss is the cross-entropy of the pixels with a label; terms for the others, and
    against too much confidence, come with a weight each, 0 by default.

    Logs ``train_loss``, ``val_iou`` and ``test_iou`` (intersection over union, the mean over classes).

    Args:
        model: Images to logits ``(rows, classes, height, width)``.
        num_classes: Number of classes.
        optimizer: Makes the optimiser from the parameters.
        lr_scheduler: Makes the learning-rate schedule from the optimiser; none when left out.
        smooth: Weight of :func:`~lit_iterative.losses.regions.smoothing`.
        sharpen: Weight of :func:`~lit_iterative.losses.regions.sharpening`.
        agree: Weight of :func:`~lit_iterative.losses.regions.consistency` between images with and without noise.
        noise: Standard deviation of that noise.

    Raises:
        SetupError: If a number makes no sense.
        DataError: If labels are no classes of pixels.
    """

    def __init__(
        self,
        model: nn.Module,
        num_classes: int,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        lr_scheduler: LRSchedulerCallable | None = None,
        smooth: float = 0.0,
        sharpen: float = 0.0,
        agree: float = 0.0,
        noise: float = 0.1,
    ) -> None:
        super().__init__()
        if num_classes < 2 or not all(value >= 0 for value in (smooth, sharpen, agree, noise)):
            raise SetupError(
                f"Segmenter has num_classes={num_classes}, smooth={smooth}, sharpen={sharpen}, agree={agree}, noise="
                f"{noise}. Give at least two classes, and weights and noise of 0 or more."
            )
        self.model = model
        self.num_classes = num_classes
        self.smooth, self.sharpen, self.agree, self.noise = smooth, sharpen, agree, noise
        self._optimizer, self._lr_scheduler = optimizer, lr_scheduler
        self.val_iou = MulticlassJaccardIndex(num_classes, ignore_index=IGNORED, validate_args=False)
        self.test_iou = MulticlassJaccardIndex(num_classes, ignore_index=IGNORED, validate_args=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, ``(rows, classes, height, width)``."""
        logits: Tensor = self.model(images)
        return logits

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Check the labels while they are on the CPU."""
        if self._trainer is not None and self.trainer.predicting:
            return batch
        images, labels = batch
        high = int(labels.max()) if labels.numel() else -1
        if labels.shape != (len(images), *images.shape[2:]) or high >= self.num_classes or int(labels.min()) < IGNORED:
            raise DataError(
                f"Labels have the shape {tuple(labels.shape)} and reach up to {high}, but images have the shape "
                f"{tuple(images.shape)} and classes are 0 to {self.num_classes - 1}, -1 for none. Give a class for "
                "every pixel: the DataModule's relabel(item, label) may have to give labels their shape back."
            )
        return [images, labels.long()]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        images, labels = batch
        logits = self(images)
        known = (labels != IGNORED).sum().clamp(min=1)
        loss: Tensor = cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum") / known
        if self.smooth:
            loss = loss + self.smooth * smoothing(logits, labels)
        if self.sharpen:
            loss = loss + self.sharpen * sharpening(logits, labels)
        if self.agree:
            changed = self(images + self.noise * torch.randn_like(images))
            loss = loss + self.agree * consistency(changed, logits, labels)
        self.log("train_loss", loss, on_step=True, on_epoch=False, batch_size=len(images))
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Measure the intersection over union."""
        self.val_iou(self(batch[0]), batch[1])
        self.log("val_iou", self.val_iou, prog_bar=True, batch_size=len(batch[0]))

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Measure the intersection over union."""
        self.test_iou(self(batch[0]), batch[1])
        self.log("test_iou", self.test_iou, batch_size=len(batch[0]))

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the logits of the images; labels in the batch are not looked at."""
        logits: Tensor = self(batch[0] if isinstance(batch, list | tuple) else batch)
        return logits

    def configure_optimizers(self) -> Any:
        """Return the optimiser, and the schedule where there is one."""
        optimizer = self._optimizer(self.parameters())
        return optimizer if self._lr_scheduler is None else ([optimizer], [self._lr_scheduler(optimizer)])
