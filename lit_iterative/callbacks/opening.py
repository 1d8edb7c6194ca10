"""Opening a store: where the rounds of a fit are kept, and what is kept there before training."""

import os
import tempfile

import lightning.pytorch as pl

from lit_iterative.callbacks.past import INITIAL
from lit_iterative.ops.actors import Initial
from lit_iterative.ops.context import Ranks
from lit_iterative.ops.op import parts_of
from lit_iterative.rounds.command import note_command
from lit_iterative.rounds.plan import Plan
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.weights import save_weights, tensors_of


def store_of(trainer: pl.Trainer, dirpath: str | None, ranks: Ranks) -> Store:
    """Return the store of a fit.

    Args:
        trainer: The trainer.
        dirpath: Where it is to be; below the trainer's root when left out.
        ranks: The processes, all of which call this.
    """
    if trainer.fast_dev_run:  # type: ignore[attr-defined]  # nothing of a trial may be resumed by the run itself
        return Store(ranks.broadcast(tempfile.mkdtemp(prefix="lit-iterative-") if ranks.rank == 0 else ""))
    return Store(dirpath or os.path.join(trainer.default_root_dir, "rounds"))


def keep_beginning(store: Store, plan: Plan, module: pl.LightningModule, resumes: bool, ranks: Ranks) -> None:
    """Keep how the run was started, and the weights from before training where a round may ask for them.

    Args:
        store: The store, to which the first rank alone writes.
        plan: The plan.
        module: The module, in front of its first step.
        resumes: Whether the run goes on where another one ended.
        ranks: The processes, all of which call this.
    """
    needed = any(phase.weights.needs_initial or any(parts_of(phase.ops, Initial)) for phase in plan.phases)
    if needed and not ranks.broadcast(resumes and store.files.exists(INITIAL)):
        weights = tensors_of(module)
        if ranks.rank == 0:
            save_weights(store.files, INITIAL, weights)
    if ranks.rank == 0:
        note_command(store)
