"""TrainOnly: from a round on, some parameters alone are trained."""

from fnmatch import fnmatchcase
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.strategies import DDPStrategy
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from lit_iterative import _compat
from lit_iterative.callbacks.rounds import Rounds
from lit_iterative.errors import SetupError
from lit_iterative.modules.trainers import holds_whole_weights

NORMALISATION = "normalisation"
LAYERS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


class TrainOnly(pl.Callback):
    """Trains some of the parameters alone, from a round on; without rounds, from the first step on.

    The others keep their values: they get no gradients, and so the optimiser leaves them as they are. Buffers, such as
    the running statistics of batch norm, go on.

    Args:
        parameters: Patterns of their names, such as ``*.adapter.*``; ``normalisation`` stands for the scales and shifts
            of all normalisation layers.
        from_round: The first round that is trained so; in front of it all are trained.

    Raises:
        SetupError: If a pattern fits nothing, or processes would wait for gradients that never come; in ``setup``.
    """

    def __init__(self, parameters: list[str], from_round: int = 0) -> None:
        self.parameters = parameters
        self.from_round = from_round
        self._frozen: list[nn.Parameter] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse what cannot work."""
        if stage != "fit":
            return
        self._frozen = []
        if not holds_whole_weights(trainer.strategy):
            raise SetupError(
                f"TrainOnly does not know weights that {type(trainer.strategy).__name__} shards. Leave it out, or use "
                "Trainer(strategy='ddp_find_unused_parameters_true')."
            )
        chosen(pl_module, self.parameters)
        waits = isinstance(trainer.strategy, DDPStrategy) and not _compat.finds_unused(trainer.strategy)
        if waits and trainer.world_size > 1:
            raise SetupError(
                "TrainOnly leaves parameters without gradients, for which DDP waits. Set "
                "Trainer(strategy='ddp_find_unused_parameters_true')."
            )

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Let the others rest, where their time has come, and wake them up in a run that went back."""
        rests = self._made(trainer) > self.from_round
        if rests and not self._frozen:
            names = chosen(pl_module, self.parameters)
            trained = {name: parameter for name, parameter in pl_module.named_parameters() if parameter.requires_grad}
            self._frozen = [parameter for name, parameter in trained.items() if name not in names]
            for parameter in self._frozen:
                parameter.requires_grad_(False).grad = None
        elif not rests:
            self._wake()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave the module as it was."""
        self._wake()

    def _made(self, trainer: pl.Trainer) -> int:
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        found = [callback.rounds_made for callback in callbacks if isinstance(callback, Rounds)]
        return found[0] if found else self.from_round + 1

    def _wake(self) -> None:
        for parameter in self._frozen:
            parameter.requires_grad_(True)
        self._frozen = []


def chosen(module: nn.Module, patterns: list[str]) -> set[str]:
    """Return the names of the parameters that are meant.

    Args:
        module: The module.
        patterns: Patterns of names, or ``normalisation``.

    Raises:
        SetupError: If there are no patterns, or one fits nothing.

    Example:
        >>> sorted(chosen(nn.Sequential(nn.Linear(1, 1), nn.LayerNorm(1)), ["normalisation", "0.b*"]))
        ['0.bias', '1.bias', '1.weight']
    """
    names = [name for name, _ in module.named_parameters()]
    found = {pattern: {name for name in names if fnmatchcase(name, pattern)} for pattern in patterns}
    if NORMALISATION in found:
        layers = [name for name, layer in module.named_modules() if isinstance(layer, LAYERS)]
        found[NORMALISATION] = {name for name in names if name.rpartition(".")[0] in layers}
    lost = [pattern for pattern, fitting in found.items() if not fitting]
    if lost or not found:
        raise SetupError(
            f"TrainOnly has the patterns {patterns}, of which {lost} fit no parameter of {type(module).__name__}. Its "
            f"parameters are {names[:8]} and so on."
        )
    return set().union(*found.values())
