"""WinRate: how often a judge prefers a completion to others of the same prompt."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.tournament import Tournament


@dataclass(frozen=True)
class WinRate(Tournament):
    """Scores each completion by the mean preference of a judge for it over others of its group.

    A tie counts 1/2. Completions with the same text are a tie without being asked about.

    Args:
        judge: Whom to ask: ``PolicyJudge()``, ``LocalJudge(path)`` or ``Endpoint(url, model)``.
        rubric: What to ask, about two completions.
        reading: ``text`` or ``probabilities``, see :class:`~lit_iterative.ops.language.score.verdicts.Judging`.
        judgements: Answers to each question, whose verdicts are averaged.
        sampling: How answers are drawn.
        opponents: Others that each completion meets, rounded up to an even number: the group is laid in a circle in
            random order, and each meets its nearest on both sides. It meets all when left out, or when there are no
            more.

    Requires ``group``, ``prompt`` and ``text``; provides ``scores.win_rate`` ``(rows,)``, float64, 0 to 1; NaN where
    there was no opponent, or the judge abstains.

    Counts:
        ``comparisons``, ``judge_abstains`` (rows), and what
        :class:`~lit_iterative.ops.language.score.judge_pairs.JudgePairs` and
        :class:`~lit_iterative.ops.language.score.judge.Judge` count of judgements.

    Raises:
        PipelineError: If there are no opponents.
        DataError: If rows of one group stand apart, when run.

    Source: the estimate of ``P(y beats pi)`` by samples of ``pi`` in Wu et al., 2024 (SPPO), arXiv:2405.00675,
    algorithm 1.

    Example:
        >>> from lit_iterative.generation.endpoint import Endpoint
        >>> WinRate(Endpoint("http://localhost:8000/v1", "my-judge"), opponents=4).provides
        ('scores.win_rate',)
    """

    @property
    def provides(self) -> tuple[str, ...]:
        """The win rate."""
        return ("scores.win_rate",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the groups of one shard with their win rates."""
        wins, meetings = np.zeros(table.num_rows), np.zeros(table.num_rows)
        for one, other, preference in self.games(table, context):
            wins[[one, other]] += preference, 1 - preference
            meetings[[one, other]] += 1
        rates = np.where(meetings > 0, wins / meetings.clip(min=1), np.nan)
        context.tally.count("judge_abstains", int(np.isnan(rates).sum()))
        return write(table, **{"scores.win_rate": rates})
