"""Divergence: how far the policy has moved from another actor, on completions of its own."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read
from lit_iterative.ops.actors import Actor, Initial, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.score.scoring import log_probs_of
from lit_iterative.ops.language.tokens import lengths_of
from lit_iterative.ops.parameters import check_range


@dataclass(frozen=True)
class Divergence(ModelOp):
    """Measures the KL divergence of the policy from another actor; changes no row.

    The estimate is the mean of ``log pi(y) - log pi_ref(y)`` over completions ``y`` that the policy has sampled, for
    ``KL(pi || pi_ref)`` is the expectation of that under ``pi`` (Schulman, 2020, "Approximating KL divergence",
    estimator ``k1``). It has no bias where the live policy draws at temperature 1 from all tokens, as ``Sample()``
    does; a completion that was cut counts as far as it goes. Put it in front of ops that drop candidates, whose choice
    would bias it.

    Every completion that is scored costs two forward passes, one of the policy and one of the other actor.

    Args:
        actor: The other one: ``Initial()``, ``Previous()``, ``AtRound(0)``.
        metric: Name of the measure; give two of them in one pipeline different ones.
        candidates: Completions of each prompt that are scored, the first ones.

    Requires ``candidate``, ``prompt_ids`` and ``completion_ids``. Measures ``<metric>``, in nats a completion, and
    ``<metric>_per_token``, in nats a token, EOS included.

    Raises:
        PipelineError: If ``candidates`` is below 1.
        DataError: If a log-probability is not finite, when run.

    Example:
        >>> from lit_iterative.ops.actors import Previous
        >>> Divergence(Previous(), "kl_previous").requires
        ('candidate', 'prompt_ids', 'completion_ids')
    """

    actor: Actor = field(default_factory=Initial)
    metric: str = "kl_initial"
    candidates: int = 1

    def __post_init__(self) -> None:
        check_range("Divergence(candidates)", self.candidates, 1)

    @property
    def requires(self) -> tuple[str, ...]:
        """Prompts and completions."""
        return ("candidate", "prompt_ids", "completion_ids")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the shard as it is."""
        scored = table.filter(read(table, "candidate") < self.candidates)
        own, other = (log_probs_of(scored, "completion_ids", actor, context) for actor in (Policy(), self.actor))
        tokens = lengths_of(scored, "completion_ids")
        context.tally.mean(self.metric, own - other)
        context.tally.mean(f"{self.metric}_per_token", np.repeat((own - other) / np.maximum(tokens, 1), tokens))
        return table
