"""Export: the policy as a plain folder that transformers loads."""

import os
from typing import Any

import lightning.pytorch as pl

from lit_iterative.callbacks.rounds import Rounds
from lit_iterative.errors import SetupError
from lit_iterative.rounds.layout import folder
from lit_iterative.sharding import units_of


class Export(pl.Callback):
    """Writes the policy to ``dirpath/final`` at the end of the fit, for ``AutoModelForCausalLM.from_pretrained``.

    A folder is whole or absent: it is written under another name, and replaces an older export once it is whole. A
    trial (``fast_dev_run``) leaves nothing.

    Args:
        dirpath: A local folder.
        every_round: Whether to write the policy that trained on round 3 to ``dirpath/round-00003`` and so on as well;
            it is brought up to date after each epoch of the round.

    Raises:
        SetupError: In fit, if the module has no ``export(folder)``, or ``every_round`` is set and nothing makes rounds.
    """

    def __init__(self, dirpath: str, every_round: bool = False) -> None:
        self.dirpath = dirpath
        self.every_round = every_round

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse a module that cannot be exported."""
        if stage != "fit":
            return
        if not callable(getattr(pl_module, "export", None)):
            raise SetupError(
                f"Export needs a module that can write itself, but {type(pl_module).__name__} has no export(folder). "
                "Use LanguagePolicy, or give it that method."
            )
        if self.every_round and _rounds(trainer) is None:
            raise SetupError(
                "Export(every_round=True) has no rounds to follow. Add a callback that makes them, such as "
                "PreferencePairs, or leave every_round out."
            )

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the policy as it has been trained on the round so far."""
        rounds = _rounds(trainer) if self.every_round else None
        if rounds is not None and rounds.rounds_made:
            self._write(trainer, pl_module, os.path.join(self.dirpath, folder(rounds.rounds_made - 1)))

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Write the policy of a fit that has ended, or that finds itself done.

        At the end of the fit ``BestRound`` gives the module the weights of the best round; only this comes later.
        """
        if stage == "fit":
            self._write(trainer, pl_module, os.path.join(self.dirpath, "final"))

    def _write(self, trainer: pl.Trainer, module: pl.LightningModule, place: str) -> None:
        writes = trainer.is_global_zero or units_of(module)  # what is sharded is gathered by all, and written by one
        if writes and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            write: Any = module.export
            write(place)


def _rounds(trainer: pl.Trainer) -> Rounds | None:
    found = [callback for callback in trainer.callbacks if isinstance(callback, Rounds)]  # type: ignore[attr-defined]
    return found[0] if found else None
