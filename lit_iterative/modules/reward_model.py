"""BradleyTerryReward: a LightningModule that trains a reward model on pairs of completions."""

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.nn import functional

from lit_iterative.batches import Batch, Pairs
from lit_iterative.errors import DataError, SetupError
from lit_iterative.judging.classifier import load_tokenizer, logits, pad_id


class BradleyTerryReward(pl.LightningModule):
    """Trains a sequence classifier with one label to give chosen completions higher rewards than rejected ones.

    ``export(folder)`` writes what the op ``RewardModel(folder)`` reads. Logs ``train_loss`` and ``train_accuracy``,
    ``val_loss`` and ``val_accuracy``: the share of pairs whose chosen completion has the higher reward, ties as 1/2.

    Args:
        path: Id on the hub, or folder, of a model to start from: a causal LM, whose head is replaced by a new one, or a
            classifier with one label.
        config: Arguments of a transformers configuration, for a model made on the spot, such as ``{model_type: llama,
            hidden_size: 96, ...}``; in place of ``path``.
        tokenizer: Id or folder of the tokenizer to export beside the model; that of ``path`` when left out.
        margin: By how much the chosen reward should be larger.
        seed: Seed of new weights.
        optimizer: Makes the optimiser from the parameters.
        lr_scheduler: Makes the learning-rate schedule, which steps once an epoch; none when left out.

    Raises:
        SetupError: If there are both or neither of ``path`` and ``config``.
        DataError: If a batch has no pairs.

    Source: Bradley and Terry, 1952; Ouyang et al., 2022, arXiv:2203.02155, equation 1; the margin, Touvron et al.,
    2023, arXiv:2307.09288, equation 2.
    """

    def __init__(
        self,
        path: str | None = None,
        config: dict[str, Any] | None = None,
        tokenizer: str | None = None,
        margin: float = 0.0,
        seed: int = 0,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__()
        if (path is None) == (config is None):
            raise SetupError(
                f"BradleyTerryReward has path={path!r} and config={config!r}. Give one of them: a model to start from, "
                "or the configuration of a new one."
            )
        if config is not None and "model_type" not in config:
            raise SetupError(f"The config has the keys {sorted(config)}. Give model_type too, for example llama.")
        self.margin = margin
        self.network: Any = None
        self._path = path
        self._config = config
        self._tokenizer = tokenizer if tokenizer is not None else path
        self._seed = seed
        self._optimizer = optimizer
        self._lr_scheduler = lr_scheduler

    def configure_model(self) -> None:
        """Load or make the network, once, where the trainer wants it."""
        if self.network is not None:
            return
        from transformers import AutoConfig, AutoModelForSequenceClassification

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)  # decides the new head
            if self._path is not None:
                network = AutoModelForSequenceClassification.from_pretrained(self._path, num_labels=1, dtype="float32")
            else:
                config = AutoConfig.for_model(**{**(self._config or {}), "num_labels": 1})
                network = AutoModelForSequenceClassification.from_config(config)
        self.network = network.train()  # transformers loads in evaluation mode, which Lightning would keep

    @property
    def pad_id(self) -> int:
        """What batches are padded with."""
        self.configure_model()
        return pad_id(self.network)

    def rewards(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the rewards of chosen and rejected completions, ``(pairs,)`` each.

        Raises:
            DataError: If the batch holds no pairs.
        """
        if not isinstance(batch, Pairs):
            raise DataError(
                f"A reward model is trained on pairs, but the batch holds {type(batch).__name__}. Put a builder of "
                "pairs, such as BestWorst(), at the end of the pipeline."
            )
        chosen, rejected = logits(self.network, batch.sequences).squeeze(-1).chunk(2)
        return chosen, rejected

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss: the mean over all pairs of each one's loss, times its weight."""
        return self._step(batch, "train")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure loss and accuracy."""
        self._step(batch, "val")

    def _step(self, batch: Batch, stage: str) -> Tensor:
        chosen, rejected = self.rewards(batch)
        loss = (batch.weight * bradley_terry(chosen, rejected, self.margin)).mean()
        accuracy = ((chosen > rejected).float() + 0.5 * (chosen == rejected)).mean()
        validates = stage == "val"
        options: dict[str, Any] = {"on_step": not validates, "on_epoch": validates, "sync_dist": validates}
        self.log(f"{stage}_loss", loss.detach(), batch_size=len(batch), **options)
        self.log(f"{stage}_accuracy", accuracy, batch_size=len(batch), prog_bar=True, **options)
        return loss

    def configure_optimizers(self) -> Any:
        """Return the optimiser, and the schedule where there is one."""
        optimizer = self._optimizer(self.parameters())
        if self._lr_scheduler is None:
            return optimizer
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self._lr_scheduler(optimizer), "interval": "epoch"},
        }

    def export(self, folder: str) -> None:
        """Write a folder that transformers and the op ``RewardModel`` load: the network, and its tokenizer if known."""
        self.configure_model()
        tokenizer = None if self._tokenizer is None else load_tokenizer(self._tokenizer)
        self.network.save_pretrained(folder)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)


def bradley_terry(chosen: Tensor, rejected: Tensor, margin: float = 0.0) -> Tensor:
    """Return ``-log sigmoid(r_w - r_l - margin)`` of each pair, ``(pairs,)``.

    Example:
        >>> bradley_terry(torch.tensor([1.0]), torch.tensor([1.0])).exp()
        tensor([2.])
    """
    return -functional.logsigmoid(chosen - rejected - margin)
