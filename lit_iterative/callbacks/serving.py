"""Serving: a round is swapped into the training, whose first epoch on it begins from a random state of its own."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_warn

from lit_iterative import _compat
from lit_iterative.callbacks.symmetry import check_reference
from lit_iterative.datamodules import Refreshable
from lit_iterative.rounds.version import Version
from lit_iterative.seeds import seed_all


class Serving:
    """Swaps rounds into the training.

    Args:
        data: What serves them.
        seed: Seed of the run.
    """

    def __init__(self, data: Refreshable, seed: int) -> None:
        self.data = data
        self.seed = seed
        #: Whether the policy that training on the round starts from is the reference of all of its rows.
        self.own_reference = False
        self._fresh = False

    def swap(self, trainer: pl.Trainer, version: Version) -> None:
        """Serve the round from now on."""
        if not version.manifest.shards:
            rank_zero_warn(
                f"Round {version.round} is empty: none of {version.manifest.pool_rows} inputs was kept. Training goes "
                "on with the data of before. Lower the threshold, or train longer before the first round."
            )
        self.own_reference &= version.manifest.serves == version.round  # else with the references of before
        self.data.serve(version)
        self.reload(trainer, version.round)

    def go_back(self, version: Version | None) -> None:
        """Serve what was served earlier, by a loader that is still to be built."""
        self.own_reference = False
        self.data.serve(version)

    def reload(self, trainer: pl.Trainer, round: int) -> None:
        """Build the train loader anew, in an order and a random state that depend on the round alone."""
        seed_all(self.seed, "swap", round, trainer.global_rank)
        _compat.reload_train_dataloader(trainer)
        seed_all(self.seed, "swap", round, trainer.global_rank)
        self._fresh = True

    def begin(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, made: int) -> None:
        """In front of the first batch, start from the same random state, resumed or not, and from a sound reference.

        Args:
            trainer: The trainer.
            module: Its module.
            batch: The batch.
            made: Rounds made so far.
        """
        if self._fresh:
            if self.own_reference:
                check_reference(module, batch)
            seed_all(self.seed, "train", made, trainer.global_rank)
            self._fresh = False
