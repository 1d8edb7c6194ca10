"""Pipelines that tests share."""

import os
import signal
from typing import Any

from lit_iterative.callbacks import Rounds
from lit_iterative.ops import Confidence, HardLabels, Linear, Predict, Threshold
from lit_iterative.ops.op import Op
from lit_iterative.rounds import Phase, When
from lit_iterative.rounds.store import Draft


def stateful(threshold: float, warmup: int, shard_size: int, die_in_round: int = -1) -> Rounds:
    """A pipeline with a schedule, model ops, row ops and global ops."""
    ops: list[Op] = [Predict(), Confidence(), Threshold(Linear(threshold, threshold + 0.05, rounds=2)), HardLabels()]
    callback = Rounds([Phase(ops)], When(every_n_epochs=2, warmup_epochs=warmup), shard_size=shard_size)
    if die_in_round >= 0:
        _die(die_in_round)
    return callback


def _die(round: int) -> None:
    """Kill this process the hard way when a round has two shards of its first stage."""
    write = Draft.write

    def deadly(self: Draft, stage: int, shard: int, table: Any) -> None:
        write(self, stage, shard, table)
        if self.round == round and len(self.shards(0)) >= 2:
            os.kill(os.getpid(), signal.SIGKILL)

    Draft.write = deadly  # type: ignore[method-assign]
