"""Comparing completions two by two with a judge, in both orders."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import pyarrow as pa

from lit_iterative.columns import Array
from lit_iterative.judging.rubric import Comparison, Question, Rubric
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.verdicts import Judging, mean_known


@dataclass(frozen=True)
class Comparing(Judging):
    """Asks a judge which of two completions is better, each time in both orders.

    Judges favour places (Zheng et al., 2023, arXiv:2306.05685, section 3.3): a preference that turns with the order is
    none. The mean over both orders takes it out; where the orders contradict each other it is 1/2, a tie.
    """

    rubric: Rubric = field(default_factory=Comparison)
    places: ClassVar[tuple[str, ...]] = ("prompt", "first", "second")

    def preferences(self, rows: Sequence[tuple[str, str, str]], table: pa.Table, context: Context) -> Array:
        """Return how sure it is that the first completion is better, ``(rows,)``, 0 to 1; NaN where the judge abstains.

        Args:
            rows: A prompt and two completions each.
            table: The rows of the table that they are about.
            context: The round.
        """
        questions = [question for row in rows for question in self._both_orders(*row, context.seed)]
        verdicts = self.verdicts(questions, table, context).reshape(len(rows), 2, self.judgements)
        first, second = verdicts[:, 0], 1 - verdicts[:, 1]  # the second order shows the first completion last
        opposed = (first - 0.5) * (second - 0.5) < 0  # NaN is not below
        context.tally.count("order_contradictions", int(opposed.sum()))
        context.tally.mean("first_place_wins", verdicts)
        return mean_known((first + second) / 2)

    def _both_orders(self, prompt: str, one: str, other: str, seed: int) -> list[Question]:
        orders = ((one, other), (other, one))
        return [self.rubric.ask({"prompt": prompt, "first": a, "second": b}, seed) for a, b in orders]
