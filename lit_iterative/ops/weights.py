"""Weights of rows, in place of dropping any."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.ranking import read_score
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class SoftWeights(Op):
    """Weighs every row by a score, ``clip(scale * score + offset, low, high) ** power``, and drops none.

    With the defaults the weight is the score, held within [0, 1]. A row of weight 0 stays in the data. A weight
    that is there already is replaced.

    Args:
        column: The score.
        scale: Factor of the score.
        offset: Added to the product.
        low: Smallest value before the power; 0 or more.
        high: Largest value before the power.
        power: Above 1 it favours the best rows, below 1 it evens them out, 0 gives all the weight 1.

    Requires the score ``(rows,)``; provides ``weight`` ``(rows,)`` float32.

    Raises:
        PipelineError: If ``low`` or ``power`` is negative, or ``high`` is below ``low``.
        DataError: If a score is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(**{"scores.confidence": [0.25, 0.75, 1.0]})
        >>> show(SoftWeights(scale=2.0, offset=-1.0, power=2.0)(table, None), "weight")
        [0.0, 0.25, 1.0]
    """

    column: str = "scores.confidence"
    scale: float | Schedule = 1.0
    offset: float | Schedule = 0.0
    low: float | Schedule = 0.0
    high: float | Schedule = 1.0
    power: float | Schedule = 1.0

    def __post_init__(self) -> None:
        check_range("SoftWeights(low)", self.low, 0)
        check_range("SoftWeights(power)", self.power, 0)
        if isinstance(self.low, Schedule) or isinstance(self.high, Schedule):
            return
        if not self.low <= self.high:
            raise PipelineError(
                f"SoftWeights has low {self.low} and high {self.high}. Give a high that is at least as large."
            )

    @property
    def requires(self) -> tuple[str, ...]:
        """The score."""
        return (self.column,)

    @property
    def provides(self) -> tuple[str, ...]:
        """The weight."""
        return ("weight",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with weights."""
        score = read_score(table, self.column).astype(np.float64)
        base = np.clip(number(self.scale) * score + number(self.offset), number(self.low), number(self.high))
        return write(table, weight=(base ** number(self.power)).astype(np.float32))


@dataclass(frozen=True)
class ExponentialWeights(Op):
    """Weighs every row by ``exp((score - at_one) / temperature)``, and drops none.

    Reward-weighted regression (Peters and Schaal, 2007, "Reinforcement learning by reward-weighted regression for
    operational space control"): where samples are the policy's own, the log-likelihood with these weights moves it
    towards the policy that is best for the reward less ``temperature`` times its divergence from the one that drew
    them. A weight that is there already is replaced.

    Args:
        column: The score.
        temperature: The smaller, the less do rows with low scores count; above 0.
        at_one: The score whose weight is 1.
        high: Largest weight (20 in Peng et al., 2019, arXiv:1910.00177).

    Requires the score ``(rows,)``; provides ``weight`` ``(rows,)`` float32.

    Raises:
        PipelineError: If the temperature or the largest weight is not above 0.
        DataError: If a score is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> table = example(**{"scores.reward": [0.0, 1.0]})
        >>> weighed = ExponentialWeights(temperature=0.5, at_one=1.0)(table, None)
        >>> [round(weight, 4) for weight in show(weighed, "weight")]
        [0.1353, 1.0]
    """

    column: str = "scores.reward"
    temperature: float | Schedule = 1.0
    at_one: float | Schedule = 0.0
    high: float | Schedule = 20.0

    def __post_init__(self) -> None:
        check_range("ExponentialWeights(temperature)", self.temperature, 0, open_low=True)
        check_range("ExponentialWeights(high)", self.high, 0, open_low=True)

    @property
    def requires(self) -> tuple[str, ...]:
        """The score."""
        return (self.column,)

    @property
    def provides(self) -> tuple[str, ...]:
        """The weight."""
        return ("weight",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with weights."""
        score = read_score(table, self.column).astype(np.float64)
        exponent = (score - number(self.at_one)) / number(self.temperature)
        highest = np.log(number(self.high))
        return write(table, weight=np.exp(np.minimum(exponent, highest)).astype(np.float32))
