"""Classifier: a LightningModule around any network that turns inputs into logits.

It knows nothing of rounds. It takes the batches that rounds may make (weights, soft labels, pairs of
batches) because those are useful without rounds as well.
"""

from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.classification import MulticlassAccuracy

from lit_iterative.errors import DataError, SetupError
from lit_iterative.losses.meta_weights import meta_weights
from lit_iterative.losses.reduction import weighted_mean
from lit_iterative.modes import evaluating
from lit_iterative.modules.bottleneck import bottlenecks
from lit_iterative.modules.examples import Examples, classes_of, unpack
from lit_iterative.modules.label_loss import LabelLoss
from lit_iterative.modules.labels import check_labels


class Classifier(pl.LightningModule):
    """Trains a network with cross-entropy on hard or soft labels, with or without weights.

    A batch is ``(x, y)`` or ``(x, y, weight)``, or a dictionary ``{"labelled": ..., "pseudo": ...}`` of two such,
    whose losses are added: ``labelled + pseudo_weight * pseudo`` (FixMatch; Sohn et al., 2020,
    arXiv:2001.07685, section 2.2). A part of a dictionary may be absent or ``None``.

    Logs ``train_loss``, ``val_loss``, ``val_accuracy`` and ``test_accuracy``.

    Args:
        model: Inputs to logits ``(rows, classes)``.
        num_classes: Number of classes.
        optimizer: Makes the optimiser from the parameters.
        lr_scheduler: Makes the learning-rate schedule from the optimiser; none when left out.
        lr_interval: Whether the schedule steps every ``epoch`` or every ``step``.
        pseudo_weight: Factor of the pseudo-labelled part of a dictionary.
        labelled_weight: Factor of its labelled part; with 0 it is only what ``reweigh`` looks at.
        reweigh: Whether the rows of the pseudo-labelled part are weighed, in every step, by how much a step on each
            would lower the loss on the labelled part, see
            :func:`~lit_iterative.losses.meta_weights.meta_weights`; logged as ``train_helpful``, the share that would.
        weight_norm: What the sum of the weighted losses is divided by. By the sum of the ``weights``: only their ratios
            count, a batch of rows that are all doubtful moves the network as much as one of sure rows, and the learning
            rate keeps its meaning whatever the scale. By the number of ``rows``: a doubtful batch moves the network
            less, as in FixMatch (eq. 4) and SoftMatch. Where all weights are 0 the loss is 0 in both.
        loss: What bears wrong labels: mixtures, another loss than cross-entropy, terms for the batch as a whole.

    Raises:
        SetupError: If a number makes no sense.
        DataError: If a batch has another form, or a label is out of range; found before the batch goes to the device.
    """

    def __init__(
        self,
        model: nn.Module,
        num_classes: int,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        lr_scheduler: LRSchedulerCallable | None = None,
        lr_interval: Literal["epoch", "step"] = "epoch",
        pseudo_weight: float = 1.0,
        weight_norm: Literal["weights", "rows"] = "weights",
        loss: LabelLoss = LabelLoss(),  # noqa: B008  # frozen
        labelled_weight: float = 1.0,
        reweigh: bool = False,
    ) -> None:
        super().__init__()
        if num_classes < 2 or pseudo_weight < 0 or labelled_weight < 0:
            raise SetupError(
                f"Classifier has num_classes={num_classes}, pseudo_weight={pseudo_weight} and labelled_weight="
                f"{labelled_weight}. Give at least two classes and factors of 0 or more."
            )
        self.model = model
        self.num_classes = num_classes
        self.pseudo_weight = pseudo_weight
        self.weight_norm: Literal["weights", "rows"] = weight_norm
        self.loss = loss
        self.labelled_weight = labelled_weight
        self.reweigh = reweigh
        self._optimizer = optimizer
        self._lr_scheduler = lr_scheduler
        self._lr_interval = lr_interval
        # labels are checked on the CPU; the metrics' own checks would wait for the device in every batch
        self.val_accuracy = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.test_accuracy = MulticlassAccuracy(num_classes, average="micro", validate_args=False)

    def forward(self, inputs: Any) -> Tensor:
        """Return the logits, shape ``(rows, classes)``."""
        logits: Tensor = self.model(inputs)
        return logits

    # ---- Lightning's hooks ----------------------------------------------------------------------------

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Check the labels while they are on the CPU, and make weights float32, which every device knows."""
        if self._trainer is not None and self.trainer.predicting:
            return batch
        if isinstance(batch, dict):
            return {name: None if part is None else self._checked(part) for name, part in batch.items()}
        return self._checked(batch)

    def _checked(self, batch: Any) -> list[Any]:
        examples = unpack(batch)
        check_labels(examples.labels, self.num_classes)
        weights = [] if examples.weights is None else [examples.weights.float()]
        return [examples.inputs, examples.labels, *weights]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        parts = batch if isinstance(batch, dict) else {"labelled": batch}
        factors = {"labelled": self.labelled_weight if "pseudo" in parts else 1.0, "pseudo": self.pseudo_weight}
        present = {name: unpack(parts[name]) for name in factors if parts.get(name) is not None}
        if not present:
            raise DataError(
                f"A batch has the parts {sorted(parts)}. Give 'labelled', 'pseudo' or both, each (x, y) or "
                "(x, y, weight)."
            )
        if self.reweigh and len(present) == 2:
            present["pseudo"] = self._reweighed(**present)
        losses = [factors[name] * self._loss(examples) for name, examples in present.items()]
        loss = torch.stack(losses).sum()
        rows = sum(len(examples.labels) for examples in present.values())
        self.log("train_loss", loss, on_step=True, on_epoch=False, batch_size=rows)
        return loss

    def _reweighed(self, labelled: Examples, pseudo: Examples) -> Examples:
        """Return the pseudo-labelled rows, weighed by what a step on each would do for the labelled ones."""
        with evaluating(self.model), torch.enable_grad():
            clean, losses = (self.loss.rows(self(part.inputs), part.labels) for part in (labelled, pseudo))
            trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
            weights = meta_weights(losses, clean.mean(), trained)
        self.log("train_helpful", (weights > 0).float().mean(), on_step=True, on_epoch=False, batch_size=len(weights))
        return pseudo._replace(weights=weights if pseudo.weights is None else weights * pseudo.weights)

    def _loss(self, examples: Examples) -> Tensor:
        mixed = self.loss.mixed(examples, self.num_classes)
        logits = self(mixed.inputs)
        losses, total = self.loss.rows(logits, mixed.labels), len(logits) if self.weight_norm == "rows" else None
        return weighted_mean(losses, mixed.weights, total=total) + self.loss.terms(logits)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Measure the loss and the accuracy."""
        examples = unpack(batch)
        logits = self(examples.inputs)
        loss = functional.cross_entropy(logits, examples.labels)
        self.val_accuracy(logits, classes_of(examples.labels))
        self.log("val_loss", loss, batch_size=len(logits), sync_dist=True)
        self.log("val_accuracy", self.val_accuracy, prog_bar=True, batch_size=len(logits))

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Measure the accuracy."""
        examples = unpack(batch)
        logits = self(examples.inputs)
        self.test_accuracy(logits, classes_of(examples.labels))
        self.log("test_accuracy", self.test_accuracy, batch_size=len(logits))

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the logits of the inputs, shape ``(rows, classes)``; labels in the batch are not looked at."""
        logits: Tensor = self(batch[0] if isinstance(batch, list | tuple) else batch)
        return logits

    # ---- what weight policies ask ---------------------------------------------------------------------

    def check_adapter(self, merge: bool) -> None:
        """Check that the network has adapters, and that they are not to be merged.

        Raises:
            SetupError: If not.
        """
        list(bottlenecks(self.model, "MergeAdapter()" if merge else "NewAdapter()"))
        if merge:
            raise SetupError("A Bottleneck is not linear, so that it cannot be merged. Use NewAdapter().")

    def merge_adapter(self) -> None:
        """Refuse.

        Raises:
            SetupError: Always.
        """
        self.check_adapter(merge=True)

    def new_adapter(self) -> None:
        """Begin new adapters on the same network."""
        for adapter in bottlenecks(self.model, "NewAdapter()"):
            adapter.reset_parameters()

    def configure_optimizers(self) -> Any:
        """Return the optimiser, and the schedule where there is one."""
        optimizer = self._optimizer(self.parameters())
        if self._lr_scheduler is None:
            return optimizer
        schedule = {"scheduler": self._lr_scheduler(optimizer), "interval": self._lr_interval, "monitor": "val_loss"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}
