"""Conditions on one metric of one round: it left a bound."""

from dataclasses import dataclass

from lit_iterative.guards.condition import Condition
from lit_iterative.guards.history import History


@dataclass(frozen=True)
class Above(Condition):
    """A metric is above a bound.

    Args:
        metric: Its name; what is measured on the data of a round has ``round/`` in front.
        bound: The largest value that is well.

    Example:
        >>> Above("round/truncated_share", 0.25)(History.of([{"round/truncated_share": 0.5}]))
        'round/truncated_share is 0.5, above 0.25'
    """

    metric: str
    bound: float

    @property
    def watches(self) -> tuple[str, ...]:
        """The metric."""
        return (self.metric,)

    def __call__(self, history: History) -> str | None:
        """Compare the present value with the bound."""
        value = history.series(self.metric)[-1]
        return f"{self.metric} is {value:.4g}, above {self.bound:g}" if value > self.bound else None


@dataclass(frozen=True)
class Below(Condition):
    """A metric is below a bound, such as a balance score that asks for hotter samples.

    Args:
        metric: Its name; what is measured on the data of a round has ``round/`` in front.
        bound: The smallest value that is well.

    Example:
        >>> Below("round/balance", 0.75)(History.of([{"round/balance": 0.5}]))
        'round/balance is 0.5, below 0.75'
    """

    metric: str
    bound: float

    @property
    def watches(self) -> tuple[str, ...]:
        """The metric."""
        return (self.metric,)

    def __call__(self, history: History) -> str | None:
        """Compare the present value with the bound."""
        value = history.series(self.metric)[-1]
        return f"{self.metric} is {value:.4g}, below {self.bound:g}" if value < self.bound else None
