"""Checks at set-up: combinations that cannot work are refused before any work is done."""

from typing import TypeGuard

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lit_iterative.callbacks.ema_teacher import teacher_of
from lit_iterative.callbacks.guards import Guards
from lit_iterative.datamodules import Refreshable
from lit_iterative.errors import SetupError, StoreError
from lit_iterative.generation.forward import inputs_of
from lit_iterative.guards import GoBack
from lit_iterative.modules.fitting import FittedModule
from lit_iterative.modules.trainers import check_trainer, holds_whole_weights
from lit_iterative.ops.actors import EMA, Base
from lit_iterative.ops.op import parts_of
from lit_iterative.ops.schedule import Steered
from lit_iterative.rounds.plan import Plan
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.sync import Continue, ReinitFromBase, Rewind, RollBack, check_schedules

#: What may be done to the weights in front of a round where every process holds a part of each.
SHARDED = (Continue, ReinitFromBase, RollBack, Rewind)


def refreshable(trainer: pl.Trainer, name: str) -> Refreshable:
    """Return the trainer's DataModule.

    Raises:
        SetupError: If there is none, or it cannot swap its data.
    """
    datamodule = getattr(trainer, "datamodule", None)
    if datamodule is None:
        raise SetupError(
            f"{name} needs a DataModule that can swap its data, but fit() was given plain loaders. Call "
            "trainer.fit(module, Refreshable.from_loaders(train, pool=unlabelled_loader, val=val)) instead."
        )
    if not _is_refreshable(datamodule):
        kind = type(datamodule).__name__
        raise SetupError(
            f"{name} needs a DataModule that can swap its data, but {kind} cannot. Write "
            f"class My{kind}(Refreshable, {kind}), or pass Refreshable.wrap({kind}(...)) to fit()."
        )
    return datamodule


def _is_refreshable(datamodule: object) -> TypeGuard[Refreshable]:
    return isinstance(datamodule, Refreshable)


def check_plan(store: Store, plan: Plan) -> None:
    """Check that the rounds in the store, if there are any, were made by the plan.

    Raises:
        StoreError: If another one made them.
    """
    made_by = store.plan()
    if made_by not in (None, plan.fingerprint):
        raise StoreError(
            f"The rounds in {store.url} were made by another plan ({made_by}, now {plan.fingerprint}). Choose another "
            "dirpath for a new run, undo the change to go on with that one, or delete the folder."
        )


def check_pool(data: Refreshable) -> None:
    """Check that the pool can be used, and warn if it gives another input each time it is asked.

    Raises:
        DataError: If the pool is empty, or its ids are not unique.
        SetupError: If there is none.
    """
    first, second = (inputs_of(data.pool().dataset[0]) for _ in range(2))
    if isinstance(first, Tensor) and isinstance(second, Tensor) and not first.equal(second):
        rank_zero_warn(
            f"The pool of {type(data).__name__} gives another input 0 each time it is asked, so that labels would go "
            "to other inputs than the model saw. Make its data once, in __init__ or setup, and augment in training "
            "only."
        )


def check_alone(trainer: pl.Trainer, kind: type[pl.Callback]) -> None:
    """Check that one callback alone refreshes the data.

    Raises:
        SetupError: If there are several.
    """
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    rivals = [type(callback).__name__ for callback in callbacks if isinstance(callback, kind)]
    if len(rivals) > 1:
        raise SetupError(
            f"{len(rivals)} callbacks refresh one DataModule: {rivals}. Keep one; give it several phases to alternate "
            "between pipelines."
        )


def guards(trainer: pl.Trainer, plan: Plan, data: Refreshable) -> Guards | None:
    """Return the callback that judges rounds, if there is one.

    Raises:
        SetupError: If there are several, or one changes a parameter that neither the plan nor the data knows.
    """
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    found = [callback for callback in callbacks if isinstance(callback, Guards)]
    if len(found) > 1:
        raise SetupError(f"{len(found)} Guards callbacks judge the rounds. Keep one, and give it all guards in a list.")
    known = {part.name for part in parts_of([plan.phases, data.mixing], Steered)}
    changed = {name for callback in found for name in callback.changes}
    if changed - known:
        raise SetupError(
            f"A guard changes {sorted(changed - known)}, but the parameters of the plan and of the data's mixing that "
            f"can be changed are {sorted(known)}. Write Steered(name, value) in place of the number that is to change."
        )
    return found[0] if found else None


def check_strategy(trainer: pl.Trainer, module: pl.LightningModule, plan: Plan) -> None:
    """Check that rounds can run under the strategy.

    Raises:
        SetupError: If it shards the weights of a module, or by a plan, that cannot be.
    """
    if holds_whole_weights(trainer.strategy):
        return
    if not isinstance(module, FittedModule):
        raise SetupError(
            f"Rounds do not run under {type(trainer.strategy).__name__} yet: weights would have to be gathered for "
            "every label pass. Use Trainer(strategy='ddp') or a single device."
        )
    check_trainer(trainer, module.unshardable)
    _check_sharded(trainer, plan)


def _check_sharded(trainer: pl.Trainer, plan: Plan) -> None:
    """Check that nothing else in the fit needs whole weights or optimisers."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    unfit = [f"{type(phase.weights).__name__}()" for phase in plan.phases if not isinstance(phase.weights, SHARDED)]
    actions = [guard.action for part in callbacks if isinstance(part, Guards) for guard in part.guards]
    unfit += ["GoBack()" for action in actions if isinstance(action, GoBack)]
    unfit += [] if teacher_of(trainer) is None else ["EMATeacher"]
    if unfit:
        raise SetupError(
            f"{unfit[0]} does not know weights that are sharded. Leave it out, or use Trainer(strategy='ddp'). Rounds "
            "of a sharded policy begin with Continue(), ReinitFromBase(), RollBack() or Rewind()."
        )


def check_place(trainer: pl.Trainer, store: Store) -> None:
    """Check that the trainer can save to the store.

    Raises:
        SetupError: If Lightning would take its address for a local path.
    """
    if "://" in store.url and not holds_whole_weights(trainer.strategy):
        raise SetupError(
            f"{type(trainer.strategy).__name__} saves to local folders alone, but the rounds are to be kept in "
            f"{store.url}. Set dirpath to a folder that all ranks share."
        )


def check_actors(trainer: pl.Trainer, module: pl.LightningModule, plan: Plan) -> None:
    """Check that there is what actors of the plan ask for: an average of the weights, a base below an adapter.

    Raises:
        SetupError: If it is missing.
    """
    if any(parts_of(plan.phases, EMA)) and teacher_of(trainer) is None:
        raise SetupError(
            "EMA() asks for an average of the weights, but nothing keeps one. Add the callback EMATeacher to the "
            "trainer, or use Policy()."
        )
    adapted = getattr(module, "has_adapter", hasattr(module, "without_adapter"))
    if any(parts_of(plan.phases, Base)) and not adapted:
        raise SetupError(
            f"Base() needs a policy with an adapter, but {type(module).__name__} has none. Give LanguagePolicy a lora, "
            "or use Initial()."
        )


def check_optimisation(trainer: pl.Trainer, module: pl.LightningModule, data: Refreshable, plan: Plan) -> None:
    """Check the learning-rate schedules and the weight policies against the module.

    Raises:
        SetupError: If a schedule or a policy cannot work.
    """
    for config in trainer.lr_scheduler_configs:
        check_schedules(config.scheduler, config.interval, data.fixed_length)
    for phase in plan.phases:
        phase.weights.check(module)
