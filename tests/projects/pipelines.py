"""Pipelines that tests share."""

import os
import signal
from typing import Any

import lightning.pytorch as pl

from lit_iterative.callbacks import EMATeacher, Rounds
from lit_iterative.ops import (
    EMA,
    Append,
    Confidence,
    Ensemble,
    FreeMatch,
    HardLabels,
    Linear,
    MCDropout,
    Policy,
    Predict,
    RandomInputs,
    Remember,
    Threshold,
)
from lit_iterative.ops.op import Op
from lit_iterative.rounds import Phase, When
from lit_iterative.rounds.draft import Draft


def stateful(threshold: float, warmup: int, shard_size: int, die_in_round: int = -1) -> list[pl.Callback]:
    """All that a crash could lose: draws, an average, dropout, memory, a ledger, a schedule, old rows."""
    ops: list[Op] = [
        RandomInputs(share=0.8),
        Predict(Ensemble([Policy(), EMA(), MCDropout(2)])),
        Confidence(),
        Remember(["scores.confidence"]),
        FreeMatch(),
        Threshold(Linear(threshold, threshold + 0.05, rounds=2)),
        HardLabels(),
    ]
    rounds = Rounds([Phase(ops, merge=Append())], When(every_n_epochs=2, warmup_epochs=warmup), shard_size=shard_size)
    if die_in_round >= 0:
        _die(die_in_round)
    return [rounds, EMATeacher(0.9)]


def _die(round: int) -> None:
    """Kill this process the hard way when a round has two shards of its second stage."""
    write = Draft.write

    def deadly(self: Draft, stage: int, shard: int, table: Any) -> None:
        write(self, stage, shard, table)
        if self.round == round and len(self.shards(1)) >= 2:
            os.kill(os.getpid(), signal.SIGKILL)

    Draft.write = deadly  # type: ignore[method-assign]
