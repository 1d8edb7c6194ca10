"""EMATeacher: a moving average of the weights that labels instead of the live model."""

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from lit_iterative.errors import SetupError
from lit_iterative.rounds.weights import tensors_of


class EMATeacher(pl.Callback):
    """Keeps an exponential moving average of weights and buffers: the mean teacher.

    After every optimiser step ``teacher = decay * teacher + (1 - decay) * student`` (Tarvainen and Valpola, 2017,
    arXiv:1703.01780, section 2).

    The training itself does not change. The op ``Predict(actor=EMA())`` labels with the average. It is saved in
    checkpoints and starts anew when a round draws new weights.

    Args:
        decay: Share of the old average that stays, between 0 and 1. In early steps it is at most
            ``(1 + steps) / (10 + steps)``, so that the random start is forgotten soon.

    Raises:
        SetupError: If decay is out of range.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 < decay < 1:
            raise SetupError(f"EMATeacher's decay is {decay}; it must lie between 0 and 1, for example 0.999.")
        self.decay = decay
        self.steps = 0
        self.average: dict[str, Tensor] = {}

    def weights(self) -> Mapping[str, Tensor]:
        """Return the average, by name of the weight."""
        return self.average

    def reset(self, module: pl.LightningModule) -> None:
        """Start anew from the live weights."""
        self.steps = 0
        self.average = {name: value.detach().clone() for name, value in tensors_of(module).items()}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start from the live weights, or bring a restored average to the device."""
        if self.average:
            self.restore(self.state_dict(), pl_module.device)
        else:
            self.reset(pl_module)
        self._seen = trainer.global_step

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take in the weights after an optimiser step; buffers are copied."""
        if trainer.global_step == self._seen:
            return  # gradients are still being accumulated
        self._seen = trainer.global_step
        self.steps += 1
        rate = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        parameters = {name for name, _ in pl_module.named_parameters()}
        for name, value in tensors_of(pl_module).items():
            if name in parameters and value.is_floating_point():
                self.average[name].lerp_(value, rate)
            else:
                self.average[name].copy_(value)

    def restore(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from a saved average, in the middle of a fit."""
        self.load_state_dict(state)
        self.average = {name: value.to(device) for name, value in self.average.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the average and the number of steps."""
        return {"steps": self.steps, "average": self.average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the average and the number of steps."""
        self.steps, self.average = state_dict["steps"], dict(state_dict["average"])


def teacher_of(trainer: pl.Trainer) -> EMATeacher | None:
    """Return the trainer's teacher, if it has one."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return next((callback for callback in callbacks if isinstance(callback, EMATeacher)), None)
