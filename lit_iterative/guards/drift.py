"""Conditions on how far the policy has moved: lengths, divergence, labels."""

from dataclasses import dataclass

from lit_iterative.errors import PipelineError
from lit_iterative.guards.condition import Condition
from lit_iterative.guards.history import History
from lit_iterative.ops.parameters import check_range


@dataclass(frozen=True)
class LengthDrift(Condition):
    """Completions grow or shrink by a factor since the first round, as where a reward likes long ones.

    Args:
        factor: The largest change that is well, above 1.
        metric: The mean length; ``Sample`` measures ``round/completion_tokens``.

    Raises:
        PipelineError: If the factor is not above 1.

    Example:
        >>> LengthDrift()(History.of([{"round/completion_tokens": 20.0}, {"round/completion_tokens": 50.0}]))
        'round/completion_tokens went from 20 to 50, by a factor of 2.5'
    """

    factor: float = 2.0
    metric: str = "round/completion_tokens"

    def __post_init__(self) -> None:
        if self.factor <= 1:
            raise PipelineError(f"LengthDrift(factor) is {self.factor}. Give a number above 1, for example 2.")

    @property
    def watches(self) -> tuple[str, ...]:
        """The mean length."""
        return (self.metric,)

    def __call__(self, history: History) -> str | None:
        """Compare it with the first round's."""
        values = history.series(self.metric)
        first, now = values[0], values[-1]
        if first / self.factor <= now <= first * self.factor:
            return None
        by = f", by a factor of {now / first:.3g}" if first else ""
        return f"{self.metric} went from {first:.4g} to {now:.4g}{by}"


@dataclass(frozen=True)
class KLBudget(Condition):
    """The policy has moved too far from where it began.

    Args:
        nats: The largest divergence that is well.
        metric: The divergence; the op ``Divergence`` measures ``kl_initial``, in nats a completion, and
            ``kl_initial_per_token``.

    Example:
        >>> KLBudget(10.0)(History.of([{"round/kl_initial": 12.5}]))
        'round/kl_initial is 12.5 nats, of 10'
    """

    nats: float
    metric: str = "round/kl_initial"

    @property
    def watches(self) -> tuple[str, ...]:
        """The divergence."""
        return (self.metric,)

    def __call__(self, history: History) -> str | None:
        """Compare the present value with the budget."""
        value = history.series(self.metric)[-1]
        return f"{self.metric} is {value:.4g} nats, of {self.nats:g}" if value > self.nats else None


@dataclass(frozen=True)
class LabelFlips(Condition):
    """Too many of the inputs that were labelled before have another label now.

    Args:
        at_most: The largest share that is well.

    Raises:
        PipelineError: If the share is not in [0, 1].

    Example:
        >>> LabelFlips()(History.of([{"round/flip_rate": 0.4}]))
        '40.0% of the labels changed, above 30.0%'
    """

    at_most: float = 0.3

    def __post_init__(self) -> None:
        check_range("LabelFlips(at_most)", self.at_most, 0, 1)

    @property
    def watches(self) -> tuple[str, ...]:
        """The share, which is unknown in the first round."""
        return ("round/flip_rate",)

    def __call__(self, history: History) -> str | None:
        """Compare the present value with the bound."""
        value = history.series("round/flip_rate")[-1]
        return f"{value:.1%} of the labels changed, above {self.at_most:.1%}" if value > self.at_most else None


@dataclass(frozen=True)
class Disagreement(Condition):
    """The policy says of the pool what it did not say in the round before, before anything was selected.

    Args:
        at_least: The smallest agreement that is well; the op ``RoundAgreement`` measures it.

    Raises:
        PipelineError: If the share is not in [0, 1].

    Example:
        >>> Disagreement()(History.of([{"round/agreement": 0.5}]))
        'the policy agrees with the round before on 50.0% of the inputs, below 70.0%'
    """

    at_least: float = 0.7

    def __post_init__(self) -> None:
        check_range("Disagreement(at_least)", self.at_least, 0, 1)

    @property
    def watches(self) -> tuple[str, ...]:
        """The agreement, which is unknown in the first round."""
        return ("round/agreement",)

    def __call__(self, history: History) -> str | None:
        """Compare the present value with the bound."""
        value = history.series("round/agreement")[-1]
        if value >= self.at_least:
            return None
        return f"the policy agrees with the round before on {value:.1%} of the inputs, below {self.at_least:.1%}"
