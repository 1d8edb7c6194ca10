"""The language project in a process of its own: ``python spoken.py DIR [--devices 2] [--key value …]``."""

import argparse
import json
import os
from functools import partial
from typing import Any

import lightning.pytorch as pl
import torch

from lit_iterative.callbacks import Rounds
from lit_iterative.ops import FromMetric, SameRound, Threshold
from lit_iterative.ops.op import Op
from lit_iterative.rounds.plan import Phase, When
from tests.projects.tiny import outcome
from tests.projects.words import Closeness, data, pairs, policy, trainer


def pipeline() -> list[Op]:
    """Return the ops of the callback, with a threshold that follows what the round's own completions measure."""
    ops = list(pairs().plan.phases[0].ops)
    longer = SameRound(FromMetric("round/completion_tokens", scale=-1.2))
    ops.insert(ops.index(Closeness()) + 1, Threshold(longer, "scores.reward"))
    return ops


def fit(folder: str, lr: float = 5e-3, prompts: int = 12, shard_size: int = 4, **options: Any) -> pl.Trainer:
    """Train three epochs, the first of them on examples; the same command on the same folder goes on."""
    pl.seed_everything(7, verbose=False)
    callback = Rounds([Phase(pipeline())], When(1, 1), shard_size=shard_size)
    made = trainer(folder, [callback], **options)
    made.fit(policy(optimizer=partial(torch.optim.AdamW, lr=lr)), data(prompts))
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--shard-size", type=int, default=4)
    given = parser.parse_args()
    torch.set_num_threads(1)
    options = {"devices": given.devices, "strategy": "ddp" if given.devices > 1 else "auto"}
    made = fit(given.folder, given.lr, given.prompts, given.shard_size, **options)
    if made.is_global_zero:
        with open(os.path.join(given.folder, "outcome.json"), "w") as file:
            json.dump(outcome(given.folder, made), file)


if __name__ == "__main__":
    main()
