"""SpeechRecognizer: a LightningModule that spells sequences of frames, trained with CTC."""

from itertools import pairwise
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn.functional import ctc_loss
from torchmetrics.text import CharErrorRate

from lit_iterative.errors import DataError, SetupError
from lit_iterative.generation.ctc import BLANK, spelled


class FrameNet(nn.Module):
    """Two convolutions over time, each with layer norm, and a token for every frame; what is padding stays 0.

    Args:
        features: Of a frame.
        tokens: Tokens, the blank among them.
        channels: Channels of the convolutions.
        dropout: Share of the features that are dropped in training.

    Shapes:
        frames ``(rows, frames, features)`` and lengths ``(rows,)`` to logits ``(rows, frames, tokens)``.

    Raises:
        SetupError: If a number makes no sense.

    Example:
        >>> FrameNet(features=3, tokens=4)(torch.zeros(2, 5, 3), torch.tensor([5, 2])).shape
        torch.Size([2, 5, 4])
    """

    def __init__(self, features: int = 8, tokens: int = 17, channels: int = 48, dropout: float = 0.1) -> None:
        super().__init__()
        if min(features, channels) < 1 or tokens < 2:
            raise SetupError(
                f"FrameNet has features={features}, tokens={tokens}, channels={channels}. Give at least one feature "
                "and channel, and a token besides the blank."
            )
        sizes = pairwise([features, channels, channels])
        self.layers = nn.ModuleList(nn.Conv1d(*size, kernel_size=5, padding=2) for size in sizes)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in self.layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, tokens)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits of every frame."""
        inside = (torch.arange(frames.shape[1], device=frames.device) < lengths[:, None])[..., None]
        for layer, norm in zip(self.layers, self.norms, strict=True):
            wide = layer((frames * inside).transpose(1, 2)).transpose(1, 2)
            frames = self.dropout(torch.relu(norm(wide)))
        logits: Tensor = self.head(frames)
        return logits


class SpeechRecognizer(pl.LightningModule):
    """Trains a network on frames and what they spell (CTC; Graves et al., 2006).

    A batch is ``(frames, lengths, labels, label_lengths)``: ``(rows, frames, features)``, ``(rows,)``, token ids from 1
    on ``(rows, tokens)``, and ``(rows,)``; both padded. Without the last two it can be predicted.

    Logs ``train_loss``, ``val_cer`` and ``test_cer``: wrong characters of the best path, as a share of the right ones.

    Args:
        model: Frames and lengths to logits ``(rows, frames, tokens)``, with the blank as token 0.
        letters: The character of each token, from token 1 on.
        optimizer: Makes the optimiser from the parameters.
        lr_scheduler: Makes the learning-rate schedule from the optimiser; none when left out.

    Raises:
        SetupError: If there are no letters, or one comes twice.
        DataError: If a label is no token.
    """

    def __init__(
        self,
        model: nn.Module,
        letters: str,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__()
        if not letters or len(set(letters)) < len(letters):
            raise SetupError(f"SpeechRecognizer(letters) is {letters!r}. Give the character of each token, each once.")
        self.model = model
        self.letters = letters
        self._optimizer, self._lr_scheduler = optimizer, lr_scheduler
        self.val_cer, self.test_cer = CharErrorRate(), CharErrorRate()

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits, ``(rows, frames, tokens)``."""
        logits: Tensor = self.model(frames, lengths)
        return logits

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Check the labels while they are on the CPU."""
        told = len(batch) == 4 and batch[2].numel() > 0
        low, high = (int(batch[2].min()), int(batch[2].max())) if told else (0, 0)
        if low < 0 or high > len(self.letters):
            raise DataError(
                f"Labels reach from {low} to {high}, but the tokens of {self.letters!r} are 1 to {len(self.letters)}, "
                "0 for padding. Give the recogniser the letters of the data."
            )
        return batch

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss per character."""
        frames, lengths, labels, label_lengths = batch
        log_probs = self(frames, lengths).float().log_softmax(dim=2).transpose(0, 1)
        loss = ctc_loss(log_probs, labels.long(), lengths, label_lengths, BLANK, reduction="mean", zero_infinity=True)
        self.log("train_loss", loss, on_step=True, on_epoch=False, batch_size=len(frames))
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Measure the character error rate."""
        self._measure(batch, self.val_cer)
        self.log("val_cer", self.val_cer, prog_bar=True, batch_size=len(batch[0]))

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Measure the character error rate."""
        self._measure(batch, self.test_cer)
        self.log("test_cer", self.test_cer, batch_size=len(batch[0]))

    def _measure(self, batch: Any, metric: CharErrorRate) -> None:
        frames, lengths, labels, label_lengths = batch
        paths = self(frames, lengths).argmax(dim=2).tolist()
        heard = [spelled(path[:length], self.letters) for path, length in zip(paths, lengths.tolist(), strict=True)]
        rows = zip(labels.tolist(), label_lengths.tolist(), strict=True)
        metric.update(heard, ["".join(self.letters[token - 1] for token in row[:length]) for row, length in rows])

    def predict_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """Return logits and lengths; labels in the batch are not looked at."""
        frames, lengths = batch[:2]
        return {"logits": self(frames, lengths), "lengths": lengths}

    def configure_optimizers(self) -> Any:
        """Return the optimiser, and the schedule where there is one."""
        optimizer = self._optimizer(self.parameters())
        return optimizer if self._lr_scheduler is None else ([optimizer], [self._lr_scheduler(optimizer)])
