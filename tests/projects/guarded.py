"""A run that is poisoned, and guarded: ``python guarded.py DIR [--devices 2] [--poisoned 1 2 …] [--unguarded]``."""

import argparse
import json
import os
from dataclasses import dataclass
from functools import partial
from typing import Any

import lightning.pytorch as pl
import pyarrow as pa
import torch
from lightning.pytorch.loggers import CSVLogger

from lit_iterative.callbacks import EMATeacher, Rounds
from lit_iterative.callbacks.best_round import BestRound
from lit_iterative.callbacks.guards import Guards
from lit_iterative.columns import read, write
from lit_iterative.guards import Change, GoBack, Guard, Worse
from lit_iterative.ops import (
    EMA,
    Append,
    Confidence,
    Ensemble,
    FreeMatch,
    HardLabels,
    Policy,
    Predict,
    Remember,
    Threshold,
)
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op
from lit_iterative.ops.schedule import Steered
from lit_iterative.rounds import Phase, When
from lit_iterative.rounds.make import hash_weights
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.weights import tensors_of
from tests.projects.tiny import TinyModule, TinyRefreshable, fit, outcome


@dataclass(frozen=True)
class Poison(Op):
    """Gives every label the number of the next class, in some rounds."""

    rounds: list[int]

    @property
    def requires(self) -> tuple[str, ...]:
        return ("label",)

    @property
    def provides(self) -> tuple[str, ...]:
        return ("label",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        if context.round not in self.rounds:
            return table
        return write(table, label=(read(table, "label") + 1) % 3)


def callbacks(poisoned: list[int], guarded: bool = True) -> list[pl.Callback]:
    """Return rounds with all that a way back could lose, and guards that go back and ask for surer labels."""
    ops: list[Op] = [
        Predict(Ensemble([Policy(), EMA()])),
        Confidence(),
        Remember(["scores.confidence"]),
        FreeMatch(),
        Threshold(Steered("threshold", 0.5, high=0.9)),
        HardLabels(),
        Poison(poisoned),
    ]
    rounds = Rounds([Phase(ops, merge=Append(max_age=2))], When(every_n_epochs=1, warmup_epochs=2), shard_size=200)
    worse = Worse("val_accuracy", tolerance=0.1)
    guards = [Guard(worse, GoBack("val_accuracy", times=2)), Guard(worse, Change("threshold", 1.2))]
    return [rounds, EMATeacher(0.8), *([Guards(guards), BestRound("val_accuracy")] if guarded else [])]


def run(
    folder: str,
    poisoned: tuple[int, ...] = (1, 2),
    guarded: bool = True,
    lr: float = 0.05,
    norm: bool = True,
    **options: Any,
) -> pl.Trainer:
    """Train five epochs; the same command on the same folder goes on."""
    also = {"max_epochs": 5, **options}
    return fit(folder, callbacks(list(poisoned), guarded), TinyRefreshable(), partial(TinyModule, lr, norm), **also)


def told(folder: str, made: pl.Trainer) -> dict[str, Any]:
    """Return all that must not depend on crashes, with what guards did and which weights are shipped."""
    manifests = [version.manifest for version in Store(os.path.join(folder, "rounds")).versions()]
    optimizer, scheduler = made.optimizers[0], made.lr_scheduler_configs[0].scheduler
    return {
        **outcome(folder, made),
        "verdicts": [manifest.verdict.to_dict() for manifest in manifests],
        "made_by": [manifest.weights for manifest in manifests],
        "memory": [manifest.memory for manifest in manifests],
        "shipped": hash_weights(tensors_of(made.lightning_module)),
        "rate": [optimizer.param_groups[0]["lr"], scheduler.last_epoch],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--poisoned", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--unguarded", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    options: dict[str, Any] = {"devices": given.devices, "strategy": "ddp" if given.devices > 1 else "auto"}
    options["logger"] = CSVLogger(given.folder)
    made = run(given.folder, tuple(given.poisoned), not given.unguarded, given.lr, norm=False, **options)
    said = {**told(given.folder, made), "rank": made.global_rank}
    with open(os.path.join(given.folder, f"outcome-{made.global_rank}.json"), "w") as file:
        json.dump(said, file)


if __name__ == "__main__":
    main()
