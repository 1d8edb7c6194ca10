"""WinRate: how often a judge prefers a completion to others of the same prompt."""

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.comparing import Comparing
from lit_iterative.ops.language.tokens import spans, texts_of
from lit_iterative.ops.op import Scope
from lit_iterative.ops.parameters import check_range
from lit_iterative.seeds import generator


@dataclass(frozen=True)
class WinRate(Comparing):
    """Scores each completion by the mean preference of a judge for it over others of its group.

    A tie counts 1/2. Completions with the same text are a tie without being asked about.

    Args:
        judge: Whom to ask: ``PolicyJudge()``, ``LocalJudge(path)`` or ``Endpoint(url, model)``.
        rubric: What to ask, about two completions.
        reading: ``text`` or ``probabilities``, see :class:`~lit_iterative.ops.language.verdicts.Judging`.
        judgements: Answers to each question, whose verdicts are averaged.
        sampling: How answers are drawn.
        opponents: Others that each completion meets, rounded up to an even number: the group is laid in a circle in
            random order, and each meets its nearest on both sides. It meets all when left out, or when there are no
            more.

    Requires ``group``, ``prompt`` and ``text``; provides ``scores.win_rate`` ``(rows,)``, float64, 0 to 1; NaN where
    there was no opponent, or the judge abstains.

    Counts:
        ``comparisons``, ``judge_abstains`` (rows), and what
        :class:`~lit_iterative.ops.language.judge_pairs.JudgePairs` and :class:`~lit_iterative.ops.language.judge.Judge`
        count of judgements.

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

    opponents: int | None = None
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("WinRate(opponents)", self.opponents, 1)

    @property
    def requires(self) -> tuple[str, ...]:
        """The groups and their texts."""
        return ("group", "prompt", "text")

    @property
    def provides(self) -> tuple[str, ...]:
        """The win rate."""
        return ("scores.win_rate",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the groups of one shard with their win rates."""
        prompts, texts, groups = texts_of(table, "prompt"), texts_of(table, "text"), read(table, "group")
        met = [
            (start + one, start + other)
            for start, end in spans(table)
            for one, other in self._meetings(end - start, context, str(groups[start]))
        ]
        asked = [(one, other) for one, other in met if texts[one] != texts[other]]
        preferences = self.preferences(
            [(prompts[one], texts[one], texts[other]) for one, other in asked], table, context
        )
        known = dict(zip(asked, preferences.tolist(), strict=True))
        wins, meetings = np.zeros(table.num_rows), np.zeros(table.num_rows)
        for one, other in met:
            preference = known.get((one, other), 0.5)
            if not np.isnan(preference):
                wins[[one, other]] += preference, 1 - preference
                meetings[[one, other]] += 1
        rates = np.where(meetings > 0, wins / meetings.clip(min=1), np.nan)
        context.tally.count("comparisons", len(asked))
        context.tally.count("judge_abstains", int(np.isnan(rates).sum()))
        return write(table, **{"scores.win_rate": rates})

    def _meetings(self, size: int, context: Context, group: str) -> list[tuple[int, int]]:
        """Return which candidates of a group meet, each pair once, the one with the lower place first."""
        if self.opponents is None or size - 1 <= 2 * ((self.opponents + 1) // 2):
            return list(combinations(range(size), 2))
        circle = generator(context.seed, context.round, "opponents", group).permutation(size).tolist()
        reach = range(1, (self.opponents + 1) // 2 + 1)
        return sorted(_ordered(circle[place], circle[(place + step) % size]) for place in range(size) for step in reach)


def _ordered(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)
