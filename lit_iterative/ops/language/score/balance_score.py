"""BalanceScore: whether sampling and selecting leave enough right completions and few wrong ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read
from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import ids_of, spans
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range
from lit_iterative.sequences import Tokens


@dataclass(frozen=True)
class BalanceScore(Op):
    """Measures the balance score of B-STaR for thresholds on a score; changes no row.

    For a prompt it is ``min(n' / n*, 1) * n' / n``, with ``n`` the number of completions at or above the threshold,
    ``n'`` that of different right ones among them, and ``n*`` how many of these are enough; 0 where none is selected
    (Zeng et al., 2024, arXiv:2412.17256, section 4). The first factor asks for exploration, the second for a selection
    that can be trusted. The mean over prompts is what sampling temperature and threshold are tuned by: the schedule
    ``SameRound(Largest(...))`` follows it in the threshold of ``Accept`` behind it, and in the temperature of
    ``Sample`` what :class:`BalanceByTemperature` measures in front of it.

    Args:
        score: The column that is selected by.
        thresholds: Thresholds to try.
        enough: ``n*``, at least 1.

    Requires ``group``, ``completion_ids``, ``scores.correct`` and the score. Prompts without a completion that was
    judged do not count. Measures ``balance``, of the first threshold, and ``balance_at_<threshold>`` of every one.

    Raises:
        PipelineError: If there is no threshold, or ``enough`` is below 1.
        DataError: If rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.columns import write
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = write(candidates(["a~", "b~", "a~", "c~"]), **{"scores.correct": np.array([1.0, 1.0, 1.0, 0.0])})
        >>> context = Context(Pool([0], 1))
        >>> _ = BalanceScore("scores.correct", [0.5], enough=4)(table, context)
        >>> round(context.tally.values()["balance"], 4)
        0.3333
    """

    score: str = "scores.correct"
    thresholds: list[float] = field(default_factory=lambda: [0.5])
    enough: int = 8
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        if not self.thresholds:
            raise PipelineError("BalanceScore has no thresholds. Give at least one, for example [0.5].")
        check_range("BalanceScore(enough)", self.enough, 1)

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates, how right they are, and what they are selected by."""
        return tuple(dict.fromkeys(("group", "completion_ids", "scores.correct", self.score)))

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table as it is."""
        completions = ids_of(table, "completion_ids")
        correct, score = (read(table, name).astype(np.float64) for name in ("scores.correct", self.score))
        groups = [slice(start, end) for start, end in spans(table) if not np.isnan(correct[start:end]).all()]
        for number, threshold in enumerate(self.thresholds):
            found = [balance(completions[g], correct[g] >= 0.5, score[g] >= threshold, self.enough) for g in groups]
            context.tally.mean(f"balance_at_{threshold:g}", found)
            if number == 0:
                context.tally.mean("balance", found)
        return table


def balance(completions: Sequence[Tokens], right: Array, selected: Array, enough: int) -> float:
    """Return the balance score of a prompt.

    Args:
        completions: Its completions.
        right: Which of them are right, ``(completions,)``.
        selected: Which of them are selected, ``(completions,)``.
        enough: How many different right ones are enough.

    Example:
        >>> balance([[1], [2], [3]], np.array([True, True, False]), np.array([True, True, True]), enough=2)
        0.6666666666666666
    """
    chosen = int(selected.sum())
    different = len({tuple(completions[row]) for row in np.flatnonzero(selected & right).tolist()})
    return min(different / enough, 1.0) * different / chosen if chosen else 0.0
