"""PassRate: how many candidates of a prompt are right."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import spans
from lit_iterative.ops.op import Op, Scope

VOTE = "scores.vote"


@dataclass(frozen=True)
class PassRate(Op):
    """The mean of ``scores.correct`` over the candidates of a prompt.

    Candidates that were not judged do not count; where none was, the rate is NaN.

    Requires ``group`` and ``scores.correct``; provides ``pass_rate`` float64 ``(rows,)``, the same for all rows of a
    group. Measures ``pass_rate``, and ``pass_at_k``, the share of prompts with a candidate that scores 0.5 or more: the
    estimate of Chen et al., 2021, arXiv:2107.03374, equation 1, at as many tries as there are candidates. Where
    ``scores.vote`` is there too, measures ``majority_at_k``, the share of prompts whose most voted answer is right;
    equally voted ones share the prompt (Wang et al., 2022, arXiv:2203.11171).

    Raises:
        DataError: If rows of a group stand apart, or a column is missing, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> from lit_iterative.pool import Pool
        >>> table = example(group=[1, 1, 1, 2], **{"scores.correct": [1.0, 0.0, float("nan"), 0.0]})
        >>> show(PassRate()(table, Context(Pool([0], 1))), "pass_rate")
        [0.5, 0.5, 0.5, 0.0]
    """

    scope: ClassVar[Scope] = "group"

    @property
    def requires(self) -> tuple[str, ...]:
        """The groups and the score."""
        return ("group", "scores.correct")

    @property
    def provides(self) -> tuple[str, ...]:
        """The rate."""
        return ("pass_rate",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the rate."""
        correct = read(table, "scores.correct").astype(np.float64)
        rate = np.full(len(correct), np.nan)
        rates, passed = [], []
        for start, end in spans(table):
            judged = correct[start:end][~np.isnan(correct[start:end])]
            if len(judged):
                rate[start:end] = judged.mean()
                rates.append(judged.mean())
                passed.append((judged >= 0.5).any())
        context.tally.mean("pass_rate", rates)
        context.tally.mean("pass_at_k", passed)
        if VOTE in table.column_names:
            vote = read(table, VOTE)
            won = [majority(correct[start:end], vote[start:end]) for start, end in spans(table)]
            context.tally.mean("majority_at_k", won)
        return write(table, pass_rate=rate)


def majority(correct: Array, vote: Array) -> float:
    """Return the share of right ones among the most voted candidates of a prompt; NaN where none of them was judged.

    Equally voted answers have equally many candidates, so that each has the same share.

    Example:
        >>> majority(np.array([1.0, 0.0, 0.0]), np.array([1 / 3, 2 / 3, 2 / 3]))
        0.0
    """
    judged = correct[(vote == vote.max()) & ~np.isnan(correct)]
    return float((judged >= 0.5).mean()) if len(judged) else float("nan")
