"""The ranks of a trainer, as ops see them."""

from typing import Any

import lightning.pytorch as pl
import torch


class TrainerRanks:
    """Speaks to the other processes through the trainer's strategy.

    Args:
        trainer: The trainer.
    """

    def __init__(self, trainer: pl.Trainer) -> None:
        self._strategy = trainer.strategy
        self.rank = trainer.global_rank
        self.world_size = trainer.world_size

    def barrier(self) -> None:
        """Wait until every rank is here."""
        self._strategy.barrier("lit_iterative")

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's value on every rank."""
        return self._strategy.broadcast(value, src=0)

    def max(self, value: int) -> int:
        """Return the largest value of all ranks."""
        if self.world_size == 1:
            return value
        return int(self._strategy.all_gather(torch.tensor(value, device=self._strategy.root_device)).max())
