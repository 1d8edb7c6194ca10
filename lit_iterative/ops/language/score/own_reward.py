"""Scores by the reward model that is trained beside the policy."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read, write
from lit_iterative.errors import DataError, SetupError
from lit_iterative.ops.actors import Actor, MCDropout, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.tokens import ids_of
from lit_iterative.seeds import seed_all
from lit_iterative.sequences import Tokens


@dataclass(frozen=True)
class OwnReward(ModelOp):
    """Scores each completion by the reward model that is trained beside the policy, see ``PolicyWithReward``.

    Args:
        actor: Whose weights; the rewards of several members are averaged.
        score: Name of the score.

    Requires ``prompt_ids`` and ``completion_ids``; provides ``scores.<score>`` ``(rows,)``, float64. Measures
    ``reward_score``.

    Raises:
        SetupError: If no reward model is trained, when run.
        DataError: If a reward is not finite, when run.

    Example:
        >>> OwnReward().provides
        ('scores.reward',)
    """

    actor: Actor = field(default_factory=Policy)
    score: str = "reward"

    @property
    def requires(self) -> tuple[str, ...]:
        """Prompts and completions."""
        return ("prompt_ids", "completion_ids")

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return (f"scores.{self.score}",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard with its rewards."""
        prompts, completions = ids_of(table, "prompt_ids"), ids_of(table, "completion_ids")
        score = rewards(self.actor, table, prompts, completions, context).mean(axis=0)
        context.tally.mean("reward_score", score)
        return write(table, **{f"scores.{self.score}": score})


@dataclass(frozen=True)
class PreferenceUncertainty(ModelOp):
    """How sure the reward model that is trained beside the policy is of a built pair, by several of its guesses.

    With ``p_m = sigmoid(r_m(chosen) - r_m(rejected))`` for each member, of which ``MCDropout`` makes several, the
    preference is ``mean p_m``, and the uncertainty ``H(mean p_m) - mean H(p_m)``: what the members would learn from the
    right answer, in nats, 0 where they agree (Houlsby et al., 2011, arXiv:1112.5745, equation 2). UPO (Wang et al.,
    2024, arXiv:2409.11212) trusts pairs the more, the less uncertain a reward model with dropout is of them.

    Args:
        actor: Several members: a reward model with its dropout active.

    Requires ``prompt_ids``, ``chosen_ids`` and ``rejected_ids``; provides ``scores.preference`` and
    ``scores.uncertainty`` ``(rows,)``, float64. Measures both, as ``preference`` and ``uncertainty``.

    Raises:
        SetupError: If no reward model is trained, or it has no dropout, when run.
        DataError: If a reward is not finite, when run.

    Example:
        >>> PreferenceUncertainty(MCDropout(samples=4)).provides
        ('scores.preference', 'scores.uncertainty')
    """

    actor: Actor = field(default_factory=MCDropout)

    @property
    def requires(self) -> tuple[str, ...]:
        """The pairs."""
        return ("prompt_ids", "chosen_ids", "rejected_ids")

    @property
    def provides(self) -> tuple[str, ...]:
        """Both scores."""
        return ("scores.preference", "scores.uncertainty")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard of pairs with both scores."""
        prompts, chosen, rejected = (ids_of(table, name) for name in self.requires)
        both = rewards(self.actor, table, [*prompts, *prompts], [*chosen, *rejected], context)
        left, right = np.split(both, 2, axis=1)
        guesses = 1 / (1 + np.exp((right - left).clip(-700, 700)))
        preference = guesses.mean(axis=0)
        uncertainty = (entropy(preference) - entropy(guesses).mean(axis=0)).clip(min=0)
        context.tally.mean("preference", preference)
        context.tally.mean("uncertainty", uncertainty)
        return write(table, **{"scores.preference": preference, "scores.uncertainty": uncertainty})


def rewards(
    actor: Actor, table: pa.Table, prompts: Sequence[Tokens], completions: Sequence[Tokens], context: Context
) -> Array:
    """Return what each member of an actor says of each completion, ``(members, rows)``, float64.

    Args:
        actor: Whom to ask.
        table: The shard, whose first id decides what dropout draws.
        prompts: Token ids.
        completions: Token ids.
        context: The round.

    Raises:
        SetupError: If no reward model is trained.
        DataError: If a reward is not finite.
    """
    found = []
    for number, member in enumerate(actor.members):
        with context.model().language(member) as model:
            ask = getattr(model, "rewards_of", None)
            if ask is None:
                raise SetupError(
                    f"{type(model).__name__} has no reward model of its own. Train a PolicyWithReward, or read one "
                    "that is trained already: RewardModel(path)."
                )
            if member.dropout:
                seed_all(context.seed, context.round, "reward", str(read(table, "id")[:1]), number)
            found.append(np.asarray(ask(prompts, completions), dtype=np.float64))
    values = np.stack(found)
    if not np.isfinite(values).all():
        raise DataError("The reward model gives NaN or infinity. Lower its learning rate, or clip gradients.")
    return values


def entropy(chance: Array) -> Array:
    """Return the entropy of a coin that falls on one side with this probability, in nats.

    Example:
        >>> entropy(np.array([0.5, 1.0])).round(4).tolist()
        [0.6931, 0.0]
    """
    sides = np.stack([chance, 1 - chance])
    return np.asarray((sides * np.log(1 / np.where(sides > 0, sides, 1))).sum(axis=0))
