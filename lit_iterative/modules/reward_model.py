"""BradleyTerryReward: a LightningModule that trains a reward model on pairs of completions."""

from functools import cached_property
from itertools import takewhile
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from lit_iterative.batches import Batch, Pairs
from lit_iterative.errors import DataError, SetupError
from lit_iterative.generation.prompt import Prompt, text_of
from lit_iterative.judging.classifier import SequenceClassifier, load_tokenizer, logits, pad_id
from lit_iterative.losses.preferences import bradley_terry, preference_accuracy, reward_losses
from lit_iterative.modules.alphabet import character_tokenizer
from lit_iterative.sequences import Sequences

__all__ = ["BradleyTerryReward", "bradley_terry"]


class BradleyTerryReward(pl.LightningModule):
    """Trains a sequence classifier with one label to give chosen completions higher rewards than rejected ones.

    Pairs may have a ``preference``, the probability that the chosen one is preferred, and may be judged ``pointwise``,
    see :func:`~lit_iterative.losses.preferences.reward_losses`. In rounds over a pool of pairs, ``Predict`` asks for
    the two rewards of each, of which the softmax is the probability that one or the other is preferred.

    ``export(folder)`` writes what the op ``RewardModel(folder)`` reads. Logs ``train_loss`` and ``train_accuracy``,
    ``val_loss`` and ``val_accuracy``: the share of pairs whose chosen completion has the higher reward, ties as 1/2.

    Args:
        path: Id on the hub, or folder, of a model to start from: a causal LM, whose head is replaced by a new one, or a
            classifier with one label.
        config: Arguments of a transformers configuration, for a model made on the spot, such as ``{model_type: llama,
            hidden_size: 96, ...}``; in place of ``path``.
        tokenizer: Id or folder of the tokenizer, which is exported beside the model; that of ``path`` when left out.
        alphabet: Characters of a tokenizer that is made on the spot; in place of ``tokenizer``. The model's
            ``vocab_size`` and special tokens follow from it.
        margin: By how much the chosen reward should be larger.
        seed: Seed of new weights.
        optimizer: Makes the optimiser from the parameters.
        lr_scheduler: Makes the learning-rate schedule, which steps once an epoch; none when left out.

    Raises:
        SetupError: If there are both or neither of ``path`` and ``config``, or both a tokenizer and an alphabet.
        DataError: If a batch has no pairs.
    """

    def __init__(
        self,
        path: str | None = None,
        config: dict[str, Any] | None = None,
        tokenizer: str | None = None,
        margin: float = 0.0,
        alphabet: str | None = None,
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
        if alphabet is not None and (tokenizer is not None or path is not None):
            raise SetupError(
                f"BradleyTerryReward has an alphabet, but also path={path!r} and tokenizer={tokenizer!r}. Leave the "
                "alphabet out: it is for models that are made on the spot."
            )
        self.margin = margin
        self.network: Any = None
        self._path = path
        self._config = config
        self._tokenizer = tokenizer if tokenizer is not None else path
        self._alphabet = alphabet
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
                config = AutoConfig.for_model(**{**(self._config or {}), **self._vocabulary(), "num_labels": 1})
                network = AutoModelForSequenceClassification.from_config(config)
        self.network = network.train()  # transformers loads in evaluation mode, which Lightning would keep

    def _vocabulary(self) -> dict[str, int]:
        """Return what the configuration of a new model takes from its alphabet."""
        if self._alphabet is None:
            return {}
        made = self.tokenizer
        special = {f"{name}_token_id": int(getattr(made, f"{name}_token_id")) for name in ("pad", "bos", "eos")}
        return {**special, "vocab_size": len(made)}

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, or none where nothing tells which it is."""
        if self._alphabet is not None:
            return character_tokenizer(self._alphabet)
        return None if self._tokenizer is None else load_tokenizer(self._tokenizer)

    # ---- what DataModules and ops ask -----------------------------------------------------------------

    def encode_pair(self, prompt: Prompt, first: str, second: str) -> tuple[list[int], list[int], list[int]]:
        """Return the tokens of a prompt and of two completions, as the op ``RewardModel`` reads them.

        What the two have in common at the beginning counts as prompt.

        Raises:
            SetupError: If there is no tokenizer.
            DataError: If one is longer than what the model reads.
        """
        self.configure_model()
        reader = SequenceClassifier(self.network, self.tokenizer)
        whole = [reader.encode(text_of(prompt), completion) for completion in (first, second)]
        if max(map(len, whole)) > reader.context:
            raise DataError(
                f"A pair has {max(map(len, whole))} tokens, but the reward model reads {reader.context}: "
                f"{str(prompt)[:60]!r}. Drop or shorten it, or take a model with a longer context."
            )
        shared = sum(1 for _ in takewhile(lambda tokens: tokens[0] == tokens[1], zip(*whole, strict=False)))
        return whole[0][:shared], whole[0][shared:], whole[1][shared:]

    def pseudo_label_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the rewards of both completions of every pair, ``(pairs, 2)``: the logits of which is preferred."""
        return torch.stack(self.rewards(batch), dim=1)

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
        chosen, rejected = self.score(batch.sequences).chunk(2)
        return chosen, rejected

    def score(self, sequences: Sequences) -> Tensor:
        """Return the reward of each sequence, ``(rows,)``, float32."""
        return logits(self.network, sequences).squeeze(-1)

    # ---- training and evaluation ----------------------------------------------------------------------

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss: the mean over all pairs of each one's loss, times its weight."""
        return self._step(batch, "train")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure loss and accuracy."""
        self._step(batch, "val")

    def _step(self, batch: Batch, stage: str) -> Tensor:
        chosen, rejected = self.rewards(batch)
        loss = (batch.weight * reward_losses(chosen, rejected, batch.columns, self.margin)).mean()
        accuracy = preference_accuracy(chosen, rejected, batch.columns).mean()
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
        self.network.save_pretrained(folder)
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(folder)
