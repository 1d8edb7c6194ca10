"""BalanceByTemperature: which sampling temperature leaves enough different right completions, tried on some prompts."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from lit_iterative.answers.compare import Comparison, Numeric
from lit_iterative.answers.extract import Extractor, LastNumber
from lit_iterative.columns import keep, read
from lit_iterative.errors import PipelineError
from lit_iterative.generation.language import Sampling
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.language.score.balance_score import BalanceScore
from lit_iterative.ops.language.score.extract import ExtractAnswer
from lit_iterative.ops.language.score.verify import Verify
from lit_iterative.ops.op import Op
from lit_iterative.ops.parameters import check_range
from lit_iterative.ops.tally import Tally
from lit_iterative.seeds import derive_seed


@dataclass(frozen=True)
class BalanceByTemperature(ModelOp):
    """Measures the balance score of B-STaR for sampling temperatures, on some of the prompts; changes no row.

    The prompts are drawn afresh in every round, and their completions serve for nothing else. In front of ``Sample``,
    whose ``temperature`` is ``SameRound(Largest(...))``, it finds the temperature that the round then samples at, by
    the same weights (Zeng et al., 2024, arXiv:2412.17256, section 4).

    Args:
        temperatures: What to try.
        share: Share of the prompts that it is tried on.
        n: Completions of each at every temperature, as many as ``Sample`` draws.
        sampling: How to draw, but for the temperature.
        enough: How many different right ones are enough; see :class:`BalanceScore`.
        extractor: Where in a completion the answer stands.
        comparison: When two answers are the same.
        key: The column of right answers.

    Requires ``prompt_ids`` and the key. Measures ``balance_at_temperature_<temperature>``, the score among the right
    completions.

    Raises:
        PipelineError: If there is no temperature, or a number is out of its range.

    Example:
        >>> BalanceByTemperature([0.7, 1.0], n=4).requires
        ('prompt_ids', 'answer')
    """

    temperatures: list[float] = field(default_factory=lambda: [0.5, 0.7, 0.9, 1.1])
    share: float = 0.1
    n: int = 8
    sampling: Sampling = field(default_factory=Sampling)
    enough: int = 8
    extractor: Extractor = field(default_factory=LastNumber)
    comparison: Comparison = field(default_factory=Numeric)
    key: str = "answer"

    def __post_init__(self) -> None:
        if not self.temperatures:
            raise PipelineError("BalanceByTemperature has no temperatures. Give at least one, for example [0.7, 1.0].")
        check_range("BalanceByTemperature(share)", self.share, 0, 1, open_low=True)
        for temperature in self.temperatures:
            self._ops(temperature)

    @property
    def requires(self) -> tuple[str, ...]:
        """The prompts and their answers."""
        return ("prompt_ids", self.key)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table as it is."""
        tried = keep(table, np.array([self._is_drawn(id, context) for id in read(table, "id").tolist()], dtype=bool))
        for temperature in self.temperatures if tried.num_rows else ():
            aside, rows = replace(context, tally=Tally()), tried
            for op in self._ops(temperature):
                rows = op(rows, aside)
            found = {f"balance_at_temperature_{temperature:g}": aside.tally.sums["balance"]}
            context.tally.add(Tally(sums=found))
        return table

    def _ops(self, temperature: float) -> list[Op]:
        """Return what judges a temperature."""
        sampling = replace(self.sampling, temperature=temperature)
        return [
            Sample(self.n, sampling, stream=f"balance at {temperature:g}"),
            ExtractAnswer(self.extractor),
            Verify(self.comparison, self.key),
            BalanceScore("scores.correct", enough=self.enough),
        ]

    def _is_drawn(self, id: Any, context: Context) -> bool:
        return derive_seed(context.seed, "balance by temperature", context.round, str(id)) < self.share * 2**63
