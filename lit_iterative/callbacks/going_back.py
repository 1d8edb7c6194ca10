"""Going back: a trainer in the middle of a fit is brought to where it was at an earlier boundary."""

from io import BytesIO
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from lit_iterative.callbacks.ema_teacher import teacher_of
from lit_iterative.rounds.files import Files
from lit_iterative.rounds.weights import load_into


def go_back(trainer: pl.Trainer, module: pl.LightningModule, files: Files, name: str) -> dict[str, Any]:
    """Restore weights, optimisers, schedules, gradient scaler and averaged weights; epochs and steps go on counting.

    Args:
        trainer: The trainer, in a hook between two epochs; every rank calls this.
        module: The module that is trained.
        files: The store's files.
        name: The checkpoint among them.

    Returns:
        The checkpoint.
    """
    content = BytesIO(files.read_bytes(name))
    checkpoint: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
    load_into(module, {name: value for name, value in checkpoint["state_dict"].items() if isinstance(value, Tensor)})
    trainer.strategy.load_optimizer_state_dict(checkpoint)
    for config, state in zip(trainer.lr_scheduler_configs, checkpoint["lr_schedulers"], strict=True):
        config.scheduler.load_state_dict(state)
    precision = trainer.precision_plugin
    if type(precision).__qualname__ in checkpoint:  # as Lightning names the state of a scaler
        precision.load_state_dict(checkpoint[type(precision).__qualname__])
    teacher = teacher_of(trainer)
    if teacher is not None:
        teacher.restore(checkpoint["callbacks"][teacher.state_key], module.device)
    return checkpoint
