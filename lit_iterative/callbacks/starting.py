"""What a round starts from: the context that its ops see, and the facts that decide its data."""

from collections.abc import Mapping

import lightning.pytorch as pl

from lit_iterative.callbacks.ema_teacher import teacher_of
from lit_iterative.callbacks.past import Past
from lit_iterative.datamodules import Refreshable
from lit_iterative.errors import DataError
from lit_iterative.generation.forward import ForwardPass
from lit_iterative.ops.context import Context, Ranks
from lit_iterative.ops.op import waits
from lit_iterative.rounds.make import Facts, hash_parts, hash_weights
from lit_iterative.rounds.plan import Phase, Plan
from lit_iterative.rounds.weights import tensors_of


def context_of(
    past: Past,
    data: Refreshable,
    plan: Plan,
    metrics: Mapping[str, float],
    ranks: Ranks,
    forward: ForwardPass,
) -> Context:
    """Return the next round, as ops see it.

    Args:
        past: What the run has behind it.
        data: The pool.
        plan: The plan.
        metrics: The trainer's metrics.
        ranks: The processes.
        forward: Runs the model.
    """
    previous = past.latest()
    return Context(
        pool=data.pool_after(previous),
        round=past.made,
        place=len(past.path),
        seed=plan.seed,
        metrics=metrics,
        factors=past.verdict().known_factors,
        ranks=ranks,
        forward=forward,
        previous=previous,
        memory=dict(previous.manifest.memory) if previous is not None else {},
        ledger=previous.ledger() if previous is not None else None,
    )


def facts_of(
    past: Past, plan: Plan, phase: Phase, context: Context, trainer: pl.Trainer, module: pl.LightningModule
) -> Facts:
    """Return what decides the data of the next round, the same on every rank.

    Raises:
        DataError: If the ranks have pools that differ.
    """
    teacher = teacher_of(trainer)
    averages = [] if teacher is None else [dict(teacher.weights())]
    latest, ranks = past.latest(), context.ranks
    factors = [dict(context.factors)] if waits(phase.ops) else []  # elsewhere they are in the parameters by now
    weights = tensors_of(module)  # which ranks gather together where they are sharded
    facts = Facts(
        round=context.round,
        plan=plan.fingerprint,
        ops=hash_parts([*phase.ops, phase.merge, phase.weights, *factors]),
        seed=plan.seed,
        weights=hash_weights(weights, *averages) if ranks.rank == 0 else "",
        pool=context.pool.fingerprint,
        previous=None if latest is None else latest.manifest.key,
        metrics=dict(context.metrics),
        epoch=trainer.current_epoch,
        global_step=trainer.global_step,
    )
    decided: Facts = ranks.broadcast(facts)
    if ranks.max(int(decided.pool != facts.pool)):
        raise DataError(
            "The ranks have pools with different ids. Split the data from a fixed seed, the same on every rank."
        )
    return decided
