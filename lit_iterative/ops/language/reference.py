"""Reference: log-probabilities of training rows under the reference policy, once a round."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, write
from lit_iterative.errors import DataError
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import ids_of
from lit_iterative.ops.op import Op

PAIRS = {"chosen_ids": "chosen_ref_logp", "rejected_ids": "rejected_ref_logp"}
COMPLETIONS = {"completion_ids": "ref_logp"}


@dataclass(frozen=True)
class ReferenceLogProbs(Op):
    """Scores the rows to train on with the reference policy, in the numerics of training.

    No second model is held: a reference that is the policy itself, at the start of the round or earlier, needs only its
    weights, and is asked once. Which one it is, the actor says: ``Policy()`` is the policy as this round's training
    starts, ``Initial()`` that from before training, ``AtRound(0)`` that from before the first round,
    ``AtRound(EveryK(3))`` one that is refreshed every third round, ``EMA()`` the average, ``Base()`` the base below an
    adapter, ``Ensemble([...])`` a mixture.

    Args:
        actor: The reference.
        of: Whether the rows are ``pairs`` or single ``completions``.
        mixture: How several members are one policy: ``arithmetic``, ``log mean exp`` of their log-probabilities of
            the whole completion, or ``geometric``, the mean of these, not normalised.

    Requires ``prompt_ids`` and ``chosen_ids``, ``rejected_ids`` (of pairs) or ``completion_ids``.

    Provides ``chosen_ref_logp`` and ``rejected_ref_logp`` ``(rows,)``, or ``ref_logp``: float32, the sum over the
    completion's tokens in nats, EOS included, at temperature 1.

    Raises:
        DataError: If a log-probability is not finite, when run.

    Example:
        >>> ReferenceLogProbs().provides
        ('chosen_ref_logp', 'rejected_ref_logp')
    """

    actor: Actor = field(default_factory=Policy)
    of: Literal["pairs", "completions"] = "pairs"
    mixture: Literal["arithmetic", "geometric"] = "arithmetic"
    runs_model: ClassVar[bool] = True

    @property
    def _columns(self) -> dict[str, str]:
        return PAIRS if self.of == "pairs" else COMPLETIONS

    @property
    def requires(self) -> tuple[str, ...]:
        """Prompts and completions."""
        return ("prompt_ids", *self._columns)

    @property
    def provides(self) -> tuple[str, ...]:
        """Their log-probabilities."""
        return tuple(self._columns.values())

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard with the log-probabilities."""
        prompts = ids_of(table, "prompt_ids")
        scores = [self._score(table, prompts, name, context) for name in self._columns]
        for name, score in zip(self._columns.values(), scores, strict=True):
            bad = ~np.isfinite(score)
            if bad.any():
                raise DataError(
                    f"The reference gives {name} = {score[bad][0]} for {int(bad.sum())} of {len(bad)} completions. "
                    "Has training diverged? Lower the learning rate, or clip gradients "
                    "(Trainer(gradient_clip_val=1.0))."
                )
        return write(table, **dict(zip(self._columns.values(), scores, strict=True)))

    def map(self, shards: Iterable[pa.Table], context: Context) -> Iterator[pa.Table]:
        """Score shard after shard, and tell of the progress."""
        tables = list(shards)
        rows, done = sum(table.num_rows for table in tables), 0
        for table in tables:
            yield self(table, context)
            done += table.num_rows
            if context.progress is not None:
                context.progress(done, rows)

    def _score(self, table: pa.Table, prompts: list[list[int]], name: str, context: Context) -> Array:
        completions = ids_of(table, name)
        members = []
        for member in self.actor.members:
            with context.model().language(member) as model:
                members.append([score.sum for score in model.log_probs(prompts, completions)])
        return mixed(np.array(members, dtype=np.float64).reshape(len(members), -1), self.mixture).astype(np.float32)


def mixed(log_probs: Array, mixture: Literal["arithmetic", "geometric"]) -> Array:
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
    highest = log_probs.max(axis=0)
    return np.asarray(highest + np.log(np.exp(log_probs - highest).mean(axis=0)))
