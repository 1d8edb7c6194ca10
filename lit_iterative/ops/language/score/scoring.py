"""How likely an actor finds the completions of a table."""

from typing import Literal

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array
from lit_iterative.errors import DataError
from lit_iterative.generation.language import TokenScores
from lit_iterative.ops.actors import Actor
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import ids_of

Mixture = Literal["arithmetic", "geometric"]


def token_scores(
    table: pa.Table, name: str, actor: Actor, context: Context, details: bool = False
) -> list[list[TokenScores]]:
    """Return what each member of an actor says of the tokens of each completion, one list a member.

    Args:
        table: Rows with ``prompt_ids`` and a column of completions.
        name: The column of completions.
        actor: Whom to ask.
        context: The round.
        details: Whether to ask for entropies and divergences from the uniform distribution as well.
    """
    prompts, completions = ids_of(table, "prompt_ids"), ids_of(table, name)
    scores = []
    for member in actor.members:
        with context.model().language(member) as model:
            scores.append(model.log_probs(prompts, completions, details=details))
    return scores


def log_probs_of(
    table: pa.Table,
    name: str,
    actor: Actor,
    context: Context,
    mixture: Mixture = "arithmetic",
    mask: str | None = None,
) -> Array:
    """Return the log-probability of each completion, EOS included, in nats: float64 ``(rows,)``.

    Args:
        table: Rows with ``prompt_ids`` and a column of completions.
        name: The column of completions.
        actor: Whom to ask.
        context: The round.
        mixture: How several members are one policy.
        mask: A column with the weight of every token in the sum, where the table has it; rows without count every one.

    Raises:
        DataError: If one is not finite, or a completion has not as many weights as tokens.
    """
    weights = table.column(mask).to_pylist() if mask in table.column_names else [None] * table.num_rows
    members = [
        [_sum(score, weight) for score, weight in zip(scores, weights, strict=True)]
        for scores in token_scores(table, name, actor, context)
    ]
    sums = np.array(members, dtype=np.float64).reshape(len(members), -1)
    finite(sums.sum(axis=0), name)
    return mixed(sums, mixture)


def _sum(score: TokenScores, weights: list[float] | None) -> float:
    if weights is None:
        return score.sum
    if len(weights) != len(score.log_probs):
        raise DataError(
            f"A completion has {len(score.log_probs)} tokens but {len(weights)} weights in its mask. Give one for each "
            "token, EOS included."
        )
    return float(np.dot(score.log_probs.astype(np.float64), np.asarray(weights, dtype=np.float64)))


def finite(values: Array, name: str) -> Array:
    """Return what a model says of completions, which must be finite.

    Raises:
        DataError: If it is not.
    """
    bad = ~np.isfinite(values)
    if bad.any():
        raise DataError(
            f"The model gives {values[bad][0]} for {int(bad.sum())} of {len(bad)} rows of {name}. Has training "
            "diverged? Lower the learning rate, or clip gradients (Trainer(gradient_clip_val=1.0))."
        )
    return values


def mixed(log_probs: Array, mixture: Mixture) -> Array:
    """Return the log-probability of each completion under a mixture of policies, ``(rows,)``.

    Args:
        log_probs: Of each member, ``(members, rows)``.
        mixture: How they are mixed.

    Example:
        >>> both = np.log([[0.5], [0.125]])
        >>> np.exp(mixed(both, "arithmetic")), np.exp(mixed(both, "geometric"))
        (array([0.3125]), array([0.25]))
    """
    if mixture == "geometric":
        return np.asarray(log_probs.mean(axis=0))
    return np.asarray(np.logaddexp.reduce(log_probs, axis=0) - np.log(len(log_probs)))
