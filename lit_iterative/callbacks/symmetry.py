"""The check that a policy which is its own reference agrees with itself, on the first batch of a round."""

from typing import Any

import lightning.pytorch as pl

from lit_iterative.ops.actors import Policy
from lit_iterative.ops.language.builders.reference import ReferenceLogProbs
from lit_iterative.ops.merge import Replace
from lit_iterative.rounds.plan import Phase


def is_own_reference(phase: Phase, changed: bool) -> bool:
    """Tell whether every row of a round was scored by the weights that training on it starts from.

    Args:
        phase: The phase of the round.
        changed: Whether its weight policy changed the weights after the rows were scored.
    """
    references = [op for op in phase.ops if isinstance(op, ReferenceLogProbs) and op.role == "reference"]
    return bool(references) and references[-1].actor == Policy() and type(phase.merge) is Replace and not changed


def check_reference(module: pl.LightningModule, batch: Any) -> None:
    """Let the module compare its log-probabilities with those of the reference, where it can.

    Raises:
        SetupError: If they differ.
    """
    check = getattr(module, "check_reference", None)
    if callable(check):
        for part in batch.values() if isinstance(batch, dict) else [batch]:
            check(part)
