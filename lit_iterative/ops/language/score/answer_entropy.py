"""AnswerEntropy: how much the final answers of a prompt differ."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import spans
from lit_iterative.ops.op import Op, Scope


@dataclass(frozen=True)
class AnswerEntropy(Op):
    """Measures the entropy of the answers that candidates of a prompt give, ``-sum_a p_a ln p_a``; changes no row.

    ``p_a`` is the share of the candidates with the answer, which ``SelfConsistency`` has found; those without an
    answer count as one more answer.

    Requires ``group`` and ``scores.vote``. Measures ``answer_entropy``, in nats, the mean over prompts.

    Raises:
        DataError: If rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.testing import example
        >>> from lit_iterative.pool import Pool
        >>> context = Context(Pool([0], 1))
        >>> _ = AnswerEntropy()(example(group=[1, 1, 2, 2], **{"scores.vote": [0.5, 0.5, 1.0, 1.0]}), context)
        >>> round(context.tally.values()["answer_entropy"], 4)
        0.3466
    """

    scope: ClassVar[Scope] = "group"

    @property
    def requires(self) -> tuple[str, ...]:
        """The groups and the votes."""
        return ("group", "scores.vote")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table as it is."""
        votes = read(table, "scores.vote").astype(np.float64)
        context.tally.mean("answer_entropy", [entropy(votes[start:end]) for start, end in spans(table)])
        return table


def entropy(votes: Array) -> float:
    """Return the entropy of a prompt's answers from the share of each candidate's answer, 0 where it has none.

    An answer with the share ``p`` has ``p * k`` of the ``k`` candidates, so that the mean of ``-ln p`` over candidates
    is the entropy.

    Example:
        >>> round(entropy(np.array([0.25, 0.25, 0.0, 0.0])), 4) == round(float(np.log(4) / 2 + np.log(2) / 2), 4)
        True
    """
    shares = np.where(votes > 0, votes, (votes == 0).mean())
    return float(-np.log(shares).mean())
