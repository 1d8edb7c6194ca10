"""The sums under DDP and then under FSDP2, two ranks each: ``python sharded.py DIR [STRATEGY,STRATEGY] [STEPS]``."""

import json
import os
import signal
import sys
from functools import partial
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.strategies import ModelParallelStrategy

from lit_iterative.callbacks.export import Export
from lit_iterative.datamodules import PromptData
from lit_iterative.modules.language import LanguagePolicy
from lit_iterative.ops.actors import Initial
from lit_iterative.rounds.plan import When
from lit_iterative.rounds.sync import ReinitFromBase
from lit_iterative.rounds.weights import tensors_of
from tests.projects.precisions import rounds
from tests.projects.words import policy, sums, trainer

#: One step of two ranks, or of one that accumulates two batches.
ROWS, BATCH = 8, 4


def fsdp() -> ModelParallelStrategy:
    """Return the strategy, which can be used once."""
    return ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1, save_distributed_checkpoint=False)


STRATEGIES: dict[str, Any] = {
    "one": lambda: {"accumulate_grad_batches": 2},
    "ddp": lambda: {"devices": 2, "strategy": "ddp"},
    "fsdp": lambda: {"devices": 2, "strategy": fsdp()},
}


class Dying(pl.Callback):
    """Kills its process in the step after so many."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: torch.Tensor) -> None:
        if trainer.global_step == self.steps:
            os.kill(os.getpid(), signal.SIGKILL)


def fit(folder: str, strategy: str, *also: pl.Callback, **options: Any) -> tuple[pl.Trainer, LanguagePolicy]:
    """Train three epochs of a step each on two rounds, made in front of the first and the last, and export."""
    pl.seed_everything(7, verbose=False)
    module = policy(optimizer=partial(torch.optim.AdamW, lr=1e-2, eps=1e-4))
    callbacks = [rounds(Initial(), when=When(2), weights=ReinitFromBase()), Export(f"{folder}/export"), *also]
    run = trainer(folder, callbacks, gradient_clip_val=1.0, **STRATEGIES[strategy](), **options)
    run.fit(module, PromptData(sums(ROWS), held_out=sums(4, seed=2), batch_size=BATCH))
    return run, module


def main(folder: str, strategies: str = "ddp,fsdp", dies_after: str = "") -> None:
    torch.set_num_threads(1)
    for strategy in strategies.split(","):
        place = f"{folder}/{strategy}"
        run, module = fit(place, strategy, *([Dying(int(dies_after))] if dies_after else []))
        weights = tensors_of(module)
        if run.is_global_zero:
            torch.save(weights, f"{place}/weights.pt")
            with open(f"{place}/metrics.json", "w") as file:
                json.dump({name: float(value) for name, value in run.callback_metrics.items()}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
