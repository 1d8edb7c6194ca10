"""Tournament: completions of a prompt play against each other before a judge."""

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.comparing import Comparing
from lit_iterative.ops.language.tokens import spans, texts_of
from lit_iterative.ops.op import Scope
from lit_iterative.ops.parameters import check_range
from lit_iterative.seeds import generator

Game = tuple[int, int, float]


@dataclass(frozen=True)
class Tournament(Comparing):
    """Lets completions of a group meet two by two. Subclass it as a frozen dataclass that scores what comes out.

    A tie counts 1/2. Completions with the same text are a tie without being asked about.

    Args:
        opponents: Others that each completion meets, rounded up to an even number: the group is laid in a circle in
            random order, and each meets its nearest on both sides. It meets all when left out, or when there are no
            more.

    Raises:
        PipelineError: If there are no opponents.
    """

    opponents: int | None = None
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(f"{self.name}(opponents)", self.opponents, 1)

    @property
    def requires(self) -> tuple[str, ...]:
        """The groups and their texts."""
        return ("group", "prompt", "text")

    def games(self, table: pa.Table, context: Context) -> list[Game]:
        """Return who met whom, as places in the table, and how sure it is that the first is better, 0 to 1.

        Games of which the judge says nothing are left out. Counts ``comparisons``.
        """
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
        context.tally.count("comparisons", len(asked))
        known = dict(zip(asked, preferences.tolist(), strict=True))
        games = [(one, other, known.get((one, other), 0.5)) for one, other in met]
        return [game for game in games if not np.isnan(game[2])]

    def _meetings(self, size: int, context: Context, group: str) -> list[tuple[int, int]]:
        """Return which candidates of a group meet, each pair once, the one with the lower place first."""
        if self.opponents is None or size - 1 <= 2 * ((self.opponents + 1) // 2):
            return list(combinations(range(size), 2))
        circle = generator(context.seed, context.round, "opponents", group).permutation(size).tolist()
        reach = range(1, (self.opponents + 1) // 2 + 1)
        return sorted(_ordered(circle[place], circle[(place + step) % size]) for place in range(size) for step in reach)


def _ordered(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)
