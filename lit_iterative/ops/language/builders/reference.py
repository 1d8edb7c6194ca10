"""Reference: log-probabilities of training rows under the reference policy, once a round."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.errors import PipelineError
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.score.scoring import Mixture, log_probs_of
from lit_iterative.ops.language.tokens import column_of, nested, nested_ids_of

#: The columns of completions of each kind of rows, and the names of their log-probabilities.
COLUMNS = {
    "pairs": {"chosen_ids": "chosen_ref_logp", "rejected_ids": "rejected_ref_logp"},
    "completions": {"completion_ids": "ref_logp"},
    "ranked": {"ranked_ids": "ranked_ref_logps"},
    "judged": {"completion_ids": "ref_logp", "mismatched_ids": "mismatched_ref_logp"},
}


@dataclass(frozen=True)
class ReferenceLogProbs(ModelOp):
    """Scores the rows to train on with the reference policy, in the numerics of training.

    No second model is held: a reference that is the policy itself, at the start of the round or earlier, needs only its
    weights, and is asked once. Which one it is, the actor says: ``Policy()`` is the policy as this round's training
    starts, ``Initial()`` that from before training, ``AtRound(0)`` that from before the first round,
    ``AtRound(EveryK(3))`` one that is refreshed every third round, ``EMA()`` the average, ``Base()`` the base below an
    adapter, ``Ensemble([...])`` a mixture.

    Args:
        actor: The reference.
        of: Whether the rows are ``pairs``, ``ranked`` completions, single ``completions``, or ``judged`` ones that have
            mismatched completions beside them.
        role: Whether the actor is the ``reference`` or, of pairs, the ``anchor``: a second reference, to which some
            losses hold the policy; the names then have ``anchor`` in place of ``ref``.
        mixture: How several members are one policy: ``arithmetic``, ``log mean exp`` of their log-probabilities of
            the whole completion, or ``geometric``, the mean of these, not normalised.

    Requires ``prompt_ids`` and ``chosen_ids``, ``rejected_ids`` (of pairs), ``ranked_ids``, or ``completion_ids``, and
    of judged rows ``mismatched_ids``.

    Provides ``chosen_ref_logp`` and ``rejected_ref_logp`` ``(rows,)``, lists ``ranked_ref_logps``, or ``ref_logp``, and
    of judged rows ``mismatched_ref_logp``: float32, the sum over the completion's tokens in nats, EOS included, at
    temperature 1.

    Raises:
        PipelineError: If rows of another kind than pairs have an anchor.
        DataError: If a log-probability is not finite, when run.

    Example:
        >>> ReferenceLogProbs().provides
        ('chosen_ref_logp', 'rejected_ref_logp')
    """

    actor: Actor = field(default_factory=Policy)
    of: Literal["pairs", "ranked", "completions", "judged"] = "pairs"
    mixture: Mixture = "arithmetic"
    role: Literal["reference", "anchor"] = "reference"

    def __post_init__(self) -> None:
        if self.role == "anchor" and self.of != "pairs":
            raise PipelineError(
                f"ReferenceLogProbs(role='anchor', of={self.of!r}): no loss but those of pairs has an anchor."
            )

    @property
    def requires(self) -> tuple[str, ...]:
        """Prompts and completions."""
        return ("prompt_ids", *COLUMNS[self.of])

    @property
    def provides(self) -> tuple[str, ...]:
        """Their log-probabilities."""
        return tuple(map(self._named, COLUMNS[self.of].values()))

    def _named(self, column: str) -> str:
        return column if self.role == "reference" else column.replace("_ref_", "_anchor_")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard with the log-probabilities."""
        if self.of == "ranked":
            return self._of_rankings(table, context)
        scores = {}
        for completions, name in COLUMNS[self.of].items():
            mask = completions.replace("_ids", "_mask")
            score = log_probs_of(table, completions, self.actor, context, self.mixture, mask)
            scores[self._named(name)] = score.astype(np.float32)
        return write(table, **scores)

    def _of_rankings(self, table: pa.Table, context: Context) -> pa.Table:
        """Score the completions of all rows together, as many rows of one completion."""
        rankings = nested_ids_of(table, "ranked_ids")
        lengths = rankings.value_lengths().to_numpy()
        prompts = column_of(table, "prompt_ids").take(np.repeat(np.arange(len(lengths)), lengths))
        single = pa.table({"prompt_ids": prompts, "completion_ids": rankings.flatten()})
        score = log_probs_of(single, "completion_ids", self.actor, context, self.mixture)
        return write(table, ranked_ref_logps=nested(pa.array(score.astype(np.float32)), lengths))
