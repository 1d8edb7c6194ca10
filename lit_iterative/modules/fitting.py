"""Fitting: what a policy does in a fit that does not depend on what it is trained on."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal

import lightning.pytorch as pl
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim import Optimizer

from lit_iterative.modules.memory import Load, Saving, advised, training_advice, update_advice
from lit_iterative.modules.trainers import (
    check_not_compiled,
    check_optimizer,
    check_trainer,
    check_weights,
    check_whole,
)


class FittedModule(pl.LightningModule):
    """A LightningModule that refuses trainers it cannot work with, and says what to lower where memory is short.

    Args:
        optimizer: Makes the optimiser from the parameters that are trained.
        lr_scheduler: Makes the learning-rate schedule from the optimiser; none when left out.
        lr_interval: Whether the schedule steps every ``epoch`` or every ``step``.
        saving: What already saves memory.
    """

    def __init__(
        self,
        optimizer: OptimizerCallable,
        lr_scheduler: LRSchedulerCallable | None,
        lr_interval: Literal["epoch", "step"],
        saving: Saving,
    ) -> None:
        super().__init__()
        self._optimizer = optimizer
        self._lr_scheduler = lr_scheduler
        self._lr_interval = lr_interval
        self._saving = saving
        self._load = Load(0, 0)

    @property
    def has_adapter(self) -> bool:
        """Whether an adapter alone is trained."""
        return self._saving.adapter

    @property
    def unshardable(self) -> str | None:
        """What it is whose weights cannot be spread over devices; none where they can."""
        return type(self).__name__

    def setup(self, stage: str) -> None:
        """Refuse a trainer that does not fit, and a compiled module, before the network is loaded.

        Raises:
            SetupError: If so.
        """
        check_trainer(self.trainer, self.unshardable)
        check_not_compiled(self)
        check_whole(self)

    def configure_optimizers(self) -> Any:
        """Return the optimiser of what is trained, and the schedule where there is one."""
        check_weights(self)
        optimizer = self._optimizer(parameter for parameter in self.parameters() if parameter.requires_grad)
        check_optimizer(self, optimizer)
        if self._lr_scheduler is None:
            return optimizer
        schedule = {"scheduler": self._lr_scheduler(optimizer), "interval": self._lr_interval}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def training_memory(self, load: Load | None = None) -> AbstractContextManager[None]:
        """Return a context in which an error says what to lower where memory is short.

        Args:
            load: What is in the forward pass; that of the last one when left out.
        """
        self._load = self._load if load is None else load
        return advised("training", lambda: training_advice(self._load, self._saving))

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Compute gradients.

        Raises:
            OutOfMemory: If memory is short.
        """
        with self.training_memory():
            super().backward(loss, *args, **kwargs)

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Update the weights, and let go of the gradients, which Lightning would hold until after the next forward.

        Raises:
            OutOfMemory: If memory is short.
        """
        with advised("the optimiser's update", lambda: update_advice(self._saving)):
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        optimizer.zero_grad()
