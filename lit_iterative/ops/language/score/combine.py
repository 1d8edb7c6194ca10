"""Scores made of scores: a weighted sum with vetoes, the first that is there, or one relative to its group."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, write
from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import scores_of
from lit_iterative.ops.language.tokens import spans
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_choice

Missing = Literal["abstain", "leave_out"]


@dataclass(frozen=True)
class Combine(Op):
    """A weighted sum of scores, ``sum_i w_i s_i``, with vetoes.

    Args:
        weights: The weight of every column, negative for what is bad; at least one.
        vetoes: The least value of every column that may veto. A row below it abstains (NaN), so that no builder
            chooses or rejects it.
        missing: What follows where a part abstains: all does (``abstain``), or the part is left out
            (``leave_out``): then the others count more, by ``sum_i |w_i|`` over all parts as a multiple of that over
            those that are there, and a veto that abstains vetoes nothing.
        score: Name of the sum.

    Requires the columns; provides ``scores.<score>`` ``(rows,)``, float64. Counts ``vetoed`` and ``abstained`` rows.

    Raises:
        PipelineError: If there are no weights, or all are 0.
        DataError: If a score is infinite, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> scores = {"scores.reward": [1, 2], "scores.length": [100, 9], "scores.safe": [1, 0]}
        >>> op = Combine({"scores.reward": 1.0, "scores.length": -0.001}, vetoes={"scores.safe": 0.5})
        >>> op(candidates(["a", "b"], **scores), Context(Pool([0], 1)))["scores.combined"].to_pylist()
        [0.9, nan]
    """

    weights: dict[str, float]
    vetoes: dict[str, float] = field(default_factory=dict)
    missing: Missing = "abstain"
    score: str = "combined"

    def __post_init__(self) -> None:
        check_choice("Combine(missing)", self.missing, get_args(Missing))
        if not any(self.weights.values()):
            raise PipelineError(f"Combine has the weights {self.weights}. Give a score a weight other than 0.")

    @property
    def requires(self) -> tuple[str, ...]:
        """The parts and the vetoes."""
        return tuple(dict.fromkeys([*self.weights, *self.vetoes]))

    @property
    def provides(self) -> tuple[str, ...]:
        """The sum."""
        return (f"scores.{self.score}",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the sum."""
        known = {name: scores_of(table, name) for name in self.requires}
        weight = np.array(list(self.weights.values()), dtype=np.float64)[:, None]
        total = weighted_sum(np.stack([known[name] for name in self.weights]), weight)
        if self.missing == "abstain":
            total = np.where(np.isnan(np.stack(list(known.values()))).any(axis=0), np.nan, total)
        vetoed = np.zeros(table.num_rows, dtype=bool)
        for name, least in self.vetoes.items():
            vetoed |= known[name] < least  # not where it is NaN
        context.tally.count("vetoed", int(vetoed.sum()))
        context.tally.count("abstained", int((np.isnan(total) & ~vetoed).sum()))
        return write(table, **{f"scores.{self.score}": np.where(vetoed, np.nan, total)})


def weighted_sum(parts: Array, weight: Array) -> Array:
    """Return the weighted sum of the parts that are there, scaled as if all were; NaN where none is, ``(rows,)``.

    Args:
        parts: ``(parts, rows)``, NaN where one is not there.
        weight: ``(parts, 1)``.

    Example:
        >>> weighted_sum(np.array([[1.0, np.nan], [2.0, 2.0]]), np.array([[1.0], [3.0]]))
        array([7., 8.])
    """
    there = ~np.isnan(parts)
    mass = (np.abs(weight) * there).sum(axis=0)
    scale = np.divide(np.abs(weight).sum(), mass, out=np.full(len(mass), np.nan), where=mass > 0)
    total: Array = (weight * np.where(there, parts, 0.0)).sum(axis=0) * scale
    return total


@dataclass(frozen=True)
class Fallback(Op):
    """The first of several scores that does not abstain: a verifier, and where it cannot tell, a judge.

    Args:
        columns: The scores in order; at least one.
        score: Name of the result.

    Requires the columns; provides ``scores.<score>`` ``(rows,)``, float64. Counts ``fell_back`` (rows whose first score
    abstained, but not all) and ``abstained`` (rows for which all did).

    Raises:
        PipelineError: If there are no columns.
        DataError: If a score is infinite, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> nan = float("nan")
        >>> table = candidates(["a", "b", "c"], **{"scores.correct": [1, nan, nan], "scores.judge": [0.5, 0.75, nan]})
        >>> Fallback(["scores.correct", "scores.judge"])(table, Context(Pool([0], 1)))["scores.first"].to_pylist()
        [1.0, 0.75, nan]
    """

    columns: list[str]
    score: str = "first"

    def __post_init__(self) -> None:
        if not self.columns:
            raise PipelineError("Fallback has no columns. Name at least one score.")

    @property
    def requires(self) -> tuple[str, ...]:
        """The scores."""
        return tuple(dict.fromkeys(self.columns))

    @property
    def provides(self) -> tuple[str, ...]:
        """The first of them."""
        return (f"scores.{self.score}",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the first score."""
        first = found = scores_of(table, self.columns[0])
        for name in self.columns[1:]:
            found = np.where(np.isnan(found), scores_of(table, name), found)
        context.tally.count("fell_back", int((np.isnan(first) & ~np.isnan(found)).sum()))
        context.tally.count("abstained", int(np.isnan(found).sum()))
        return write(table, **{f"scores.{self.score}": found})


@dataclass(frozen=True)
class Standardise(Op):
    """A score relative to its group, ``(s - mean) / std``, so that easy prompts count no more than others.

    Mean and standard deviation (of the population) are those of the candidates that have a score; where all have the
    same one, it is 0.

    Args:
        column: The score.
        score: Name of the result.

    Requires ``group`` and the column; provides ``scores.<score>`` ``(rows,)``, float64, NaN where the scorer abstained.

    Raises:
        DataError: If a score is infinite, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> table = candidates(["a", "b"], **{"scores.reward": [1, 5]})
        >>> Standardise()(table, None)["scores.standard"].to_pylist()
        [-1.0, 1.0]
    """

    column: str = "scores.reward"
    score: str = "standard"
    scope: ClassVar[Scope] = "group"

    @property
    def requires(self) -> tuple[str, ...]:
        """The groups and their scores."""
        return ("group", self.column)

    @property
    def provides(self) -> tuple[str, ...]:
        """The relative score."""
        return (f"scores.{self.score}",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the relative score."""
        score = scores_of(table, self.column)
        parts = [standardised(score[start:end]) for start, end in spans(table)]
        return write(table, **{f"scores.{self.score}": np.concatenate([np.zeros(0), *parts])})


def standardised(score: Array) -> Array:
    """Return ``(score - mean) / std`` over what is not NaN; 0 where all are equal.

    Example:
        >>> standardised(np.array([3.0, 3.0, np.nan]))
        array([ 0.,  0., nan])
    """
    there = score[~np.isnan(score)]
    spread = there.std() if len(there) and there.max() > there.min() else 0.0
    return np.asarray((score - there.mean()) / spread if spread > 0 else score * 0.0)
