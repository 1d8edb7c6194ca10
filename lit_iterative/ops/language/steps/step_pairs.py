"""StepPairs: the best step of a state against the worst, as strong as a search is sure of them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read, write
from lit_iterative.ops.language.builders.pairs import BestWorst


@dataclass(frozen=True)
class StepPairs(BestWorst):
    """Prefers the best step of every state to the worst: pairs that share the prompt and the steps before.

    What is trained is the step alone, behind ``prompt_ids``, which hold the steps before it. With ``visits`` each pair
    has the strength that the search gives it. MCTS-DPO (Xie et al., 2024, arXiv:2405.00451) smooths the label by
    ``1 / (N_w / N_l + 1)``, so that the chosen step is preferred with probability ``N_w / (N_w + N_l)``; train with
    ``soft_dpo``. Where neither was visited it is 1/2.

    Args:
        score: The score of a step.
        margin: The best must be better than the worst by more than this; else they are ties.
        min_score: What the chosen's score must be at least.
        at_most: Pairs of a state, where several are the best or the worst.
        weigh: Whether the ``weight`` is 1 (``none``), the difference of the scores (``gap``), or of the ranks
            (``rank``).
        truncated: Whether steps that were cut go (``drop``), may only be rejected (``reject``), or count like any other
            (``keep``).
        visits: The column of visits, whence ``preference``; none where the search has none.

    Requires ``group`` (the state), ``text``, ``completion_ids``, ``finish``, the score and the visits; provides
    ``chosen``, ``rejected``, ``chosen_ids``, ``rejected_ids``, ``chosen_score``, ``rejected_score``, ``weight`` and
    with visits ``preference``. Counts what ``BestWorst`` does.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a score is infinite, or rows of a state stand apart, when run.

    Example:
        >>> from lit_iterative.ops.context import Context
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["4", "5"], visits=[3, 1], **{"scores.value": [0.5, 0.1]})
        >>> StepPairs(visits="visits")(table, Context(Pool([0], 1))).select(["chosen", "preference"]).to_pylist()
        [{'chosen': '4', 'preference': 0.75}]
    """

    score: str = "scores.value"
    visits: str | None = None

    @property
    def requires(self) -> tuple[str, ...]:
        """The steps, their scores and visits."""
        return (*super().requires, *([self.visits] if self.visits else []))

    @property
    def provides(self) -> tuple[str, ...]:
        """The pairs and their strength."""
        return (*super().provides, *(["preference"] if self.visits else []))

    def finished(self, made: pa.Table, table: pa.Table, chosen: Array, rejected: Array) -> pa.Table:
        """Return the pairs with their strength."""
        if self.visits is None:
            return made
        visits = read(table, self.visits).astype(np.float64)
        won, both = visits[chosen], visits[chosen] + visits[rejected]
        return write(made, preference=np.where(both > 0, won / np.where(both > 0, both, 1), 0.5))
