"""Length: how long a completion is, alone and beside its draft, and a score that makes length cost."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import scores_of
from lit_iterative.ops.language.tokens import lengths_of, texts_of
from lit_iterative.ops.op import Op
from lit_iterative.ops.parameters import check_choice, number
from lit_iterative.ops.schedule import Schedule

Unit = Literal["tokens", "characters"]


@dataclass(frozen=True)
class Length(Op):
    """How long a completion is.

    Args:
        unit: ``tokens``, EOS included, or ``characters`` of the text.

    Requires ``completion_ids``, or ``text``; provides ``scores.length`` ``(rows,)``, float64.

    Raises:
        PipelineError: If the unit is another.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> Length("characters")(candidates(["yes", ""]), None)["scores.length"].to_pylist()
        [3.0, 0.0]
    """

    unit: Unit = "tokens"

    def __post_init__(self) -> None:
        check_choice("Length(unit)", self.unit, get_args(Unit))

    @property
    def requires(self) -> tuple[str, ...]:
        """What is measured."""
        return (measured_column(self.unit),)

    @property
    def provides(self) -> tuple[str, ...]:
        """The length."""
        return ("scores.length",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the lengths."""
        return write(table, **{"scores.length": lengths(table, self.unit)})


@dataclass(frozen=True)
class Growth(Op):
    """How many times as long a completion is as the text that it was made from.

    Args:
        column: That text.

    Requires ``text`` and the column; provides ``scores.growth`` ``(rows,)``, float64: a ratio of characters, NaN where
    there was nothing. Measures ``growth``.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["sixsix", "one"], draft=["six", ""])
        >>> Growth()(table, Context(Pool([0], 1)))["scores.growth"].to_pylist()
        [2.0, nan]
    """

    column: str = "draft"

    @property
    def requires(self) -> tuple[str, ...]:
        """Both texts."""
        return ("text", self.column)

    @property
    def provides(self) -> tuple[str, ...]:
        """The ratio."""
        return ("scores.growth",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the ratios."""
        pairs = zip(texts_of(table, "text"), texts_of(table, self.column), strict=True)
        growth = np.array([len(text) / len(before) if before else np.nan for text, before in pairs], dtype=np.float64)
        context.tally.mean("growth", growth)
        return write(table, **{"scores.growth": growth})


@dataclass(frozen=True)
class LengthPenalty(Op):
    """A score from which length is taken off, ``s - rate * length``, so that longer is not better for its own sake.

    As RLHFlow takes it off rewards (Dong et al., 2024, arXiv:2405.07863).

    Args:
        rate: What a unit of length costs, in units of the score.
        column: The score.
        unit: ``tokens``, EOS included, or ``characters`` of the text.
        score: Name of the result.

    Requires the column, and ``completion_ids`` or ``text``; provides ``scores.<score>`` ``(rows,)``, float64, NaN where
    the scorer abstained.

    Raises:
        PipelineError: If the unit is another.
        DataError: If a score is infinite, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> table = candidates(["yes", "yes, sure"], **{"scores.reward": [1, 1.5]})
        >>> LengthPenalty(0.125, unit="characters")(table, None)["scores.penalised"].to_pylist()
        [0.625, 0.375]
    """

    rate: float | Schedule
    column: str = "scores.reward"
    unit: Unit = "tokens"
    score: str = "penalised"

    def __post_init__(self) -> None:
        check_choice("LengthPenalty(unit)", self.unit, get_args(Unit))

    @property
    def requires(self) -> tuple[str, ...]:
        """The score, and what is measured."""
        return (self.column, measured_column(self.unit))

    @property
    def provides(self) -> tuple[str, ...]:
        """The lower score."""
        return (f"scores.{self.score}",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the lower score."""
        penalised = scores_of(table, self.column) - number(self.rate) * lengths(table, self.unit)
        return write(table, **{f"scores.{self.score}": penalised})


def measured_column(unit: Unit) -> str:
    """Return the column whose length is meant."""
    return "completion_ids" if unit == "tokens" else "text"


def lengths(table: pa.Table, unit: Unit) -> Array:
    """Return the length of every completion, float64, ``(rows,)``."""
    if unit == "tokens":
        return lengths_of(table, "completion_ids").astype(np.float64)
    return np.array([len(text) for text in texts_of(table, "text")], dtype=np.float64)
