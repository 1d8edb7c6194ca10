"""PairLikelihood: how likely the policy finds both sides of a pair, and how far they are apart."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, write
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.score.scoring import log_probs_of
from lit_iterative.ops.language.tokens import lengths_of


@dataclass(frozen=True)
class PairLikelihood(ModelOp):
    """Scores pairs by the mean log-probability that an actor gives a token of each side, EOS included.

    Args:
        actor: Who is asked.

    Requires ``prompt_ids``, ``chosen_ids`` and ``rejected_ids``; provides ``scores.gap``, the chosen side's less the
    rejected one's, and ``scores.on_policy``, the mean of both, float64, in nats a token; NaN where a side has no token.
    Measures ``likelihood_gap`` and ``on_policy``.

    Raises:
        DataError: If a log-probability is not finite, when run.

    Example:
        >>> PairLikelihood().provides
        ('scores.gap', 'scores.on_policy')
    """

    actor: Actor = field(default_factory=Policy)

    @property
    def requires(self) -> tuple[str, ...]:
        """Prompts and pairs."""
        return ("prompt_ids", "chosen_ids", "rejected_ids")

    @property
    def provides(self) -> tuple[str, ...]:
        """The scores."""
        return ("scores.gap", "scores.on_policy")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard with the scores."""
        chosen, rejected = (self._mean(table, name, context) for name in ("chosen_ids", "rejected_ids"))
        context.tally.mean("likelihood_gap", chosen - rejected)
        context.tally.mean("on_policy", (chosen + rejected) / 2)
        return write(table, **{"scores.gap": chosen - rejected, "scores.on_policy": (chosen + rejected) / 2})

    def _mean(self, table: pa.Table, name: str, context: Context) -> Array:
        tokens = lengths_of(table, name)
        sums = log_probs_of(table, name, self.actor, context)
        return np.asarray(np.divide(sums, tokens, out=np.full(len(sums), np.nan), where=tokens > 0))
