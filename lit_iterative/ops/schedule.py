"""Schedules: parameters of ops that change from round to round, ``f(round, metrics)``."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from lit_iterative.errors import PipelineError


class Schedule(ABC):
    """A number that depends on the round and on the metrics known when the round starts."""

    @property
    def waits(self) -> bool:
        """Whether it, or a schedule in it, is known only when the ops before it have run; see :class:`SameRound`."""
        return any(part.waits for part in vars(self).values() if isinstance(part, Schedule))

    @abstractmethod
    def __call__(self, round: int, metrics: Mapping[str, float]) -> float:
        """Return the value in this round.

        Args:
            round: Rounds made before this one; 0 in the first round.
            metrics: The trainer's metrics when the round starts.
        """


@dataclass(frozen=True)
class Linear(Schedule):
    """Goes from ``start`` to ``end`` in equal steps and stays there.

    Args:
        start: Value in round 0.
        end: Value from round ``rounds`` on.
        rounds: Rounds that the way takes; at least 1.

    Example:
        >>> [Linear(0.5, 0.9, rounds=2)(r, {}) for r in range(4)]
        [0.5, 0.7, 0.9, 0.9]
    """

    start: float
    end: float
    rounds: int

    def __post_init__(self) -> None:
        _check_rounds(self.rounds)

    def __call__(self, round: int, metrics: Mapping[str, float]) -> float:
        """Return the value in this round."""
        return self.start + (self.end - self.start) * min(1.0, round / self.rounds)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Goes from ``start`` to ``end`` along half a cosine and stays there.

    Args:
        start: Value in round 0.
        end: Value from round ``rounds`` on.
        rounds: Rounds that the way takes; at least 1.

    Example:
        >>> [round(Cosine(1.0, 0.0, rounds=2)(r, {}), 6) for r in range(3)]
        [1.0, 0.5, 0.0]
    """

    start: float
    end: float
    rounds: int

    def __post_init__(self) -> None:
        _check_rounds(self.rounds)

    def __call__(self, round: int, metrics: Mapping[str, float]) -> float:
        """Return the value in this round."""
        way = (1 - math.cos(math.pi * min(1.0, round / self.rounds))) / 2
        return self.start + (self.end - self.start) * way


@dataclass(frozen=True)
class Steps(Schedule):
    """A value for each round; the last one stays.

    Args:
        values: The value in round 0, 1, …; at least one.

    Example:
        >>> [Steps([0.2, 0.4])(r, {}) for r in range(3)]
        [0.2, 0.4, 0.4]
    """

    values: list[float]

    def __post_init__(self) -> None:
        if not self.values:
            raise PipelineError("Steps has no values. Give at least one, for example values: [0.2, 0.5, 1.0].")

    def __call__(self, round: int, metrics: Mapping[str, float]) -> float:
        """Return the value in this round."""
        return self.values[min(round, len(self.values) - 1)]


@dataclass(frozen=True)
class FromMetric(Schedule):
    """Follows a metric: ``scale * metric + offset``, held between two bounds.

    Args:
        monitor: Name of the metric.
        scale: Factor of the metric.
        offset: Added to the product.
        low: Smallest value.
        high: Largest value.

    Example:
        >>> FromMetric("val_accuracy", high=0.95)(0, {"val_accuracy": 0.8})
        0.8
    """

    monitor: str
    scale: float = 1.0
    offset: float = 0.0
    low: float = -math.inf
    high: float = math.inf

    def __call__(self, round: int, metrics: Mapping[str, float]) -> float:
        """Return the value in this round.

        Raises:
            PipelineError: If the metric is not known when the round starts.
        """
        if self.monitor not in metrics:
            raise PipelineError(
                f"The schedule follows {self.monitor!r}, but only {sorted(metrics)} are known. Log it in "
                "validation_step, or start the rounds after the first validation with warmup_epochs: 1; within "
                "SameRound, put the op behind one that measures it."
            )
        return min(self.high, max(self.low, self.scale * metrics[self.monitor] + self.offset))


def _check_rounds(rounds: int) -> None:
    if rounds < 1:
        raise PipelineError(f"A schedule over {rounds} rounds goes nowhere. Give rounds: 1 or more.")


@dataclass(frozen=True)
class Steered(Schedule):
    """A number that guards may change: ``value`` times the factor of all changes so far, held between two bounds.

    The guard's action ``Change`` names it. The factor stays changed when the run goes back to an earlier round.

    Args:
        name: What the action calls it, for example ``temperature``.
        value: The number before any change, or a schedule.
        low: Smallest value.
        high: Largest value.

    Example:
        >>> threshold = Steered("threshold", 0.9, high=0.99)
        >>> threshold(1, {}), threshold(2, {"factor/threshold": 1.05}), threshold(3, {"factor/threshold": 1.5})
        (0.9, 0.9450000000000001, 0.99)
    """

    name: str
    value: float | Schedule
    low: float = -math.inf
    high: float = math.inf

    def __call__(self, round: int, metrics: Mapping[str, float]) -> float:
        """Return the value in this round."""
        value = self.value(round, metrics) if isinstance(self.value, Schedule) else self.value
        return min(self.high, max(self.low, value * metrics.get(f"factor/{self.name}", 1.0)))


@dataclass(frozen=True)
class Largest(Schedule):
    """The value whose metric is the largest, such as the threshold with the best balance score.

    The metrics are those of the round before, or of the round itself within :class:`SameRound`.

    Args:
        values: For each metric, the value that it speaks for; at least one.
        start: The value while none of the metrics is known; the first one when left out.

    Raises:
        PipelineError: If there are no values.

    Example:
        >>> threshold = Largest({"round/balance_at_0.5": 0.5, "round/balance_at_0.9": 0.9})
        >>> threshold(0, {}), threshold(1, {"round/balance_at_0.5": 0.4, "round/balance_at_0.9": 0.6})
        (0.5, 0.9)
    """

    values: dict[str, float]
    start: float | None = None

    def __post_init__(self) -> None:
        if not self.values:
            raise PipelineError("Largest has no values. Give at least one, for example {round/balance_at_0.5: 0.5}.")

    def __call__(self, round: int, metrics: Mapping[str, float]) -> float:
        """Return the value in this round."""
        known = {name: metrics[name] for name in self.values if not math.isnan(metrics.get(name, math.nan))}
        if known:
            return self.values[max(known, key=lambda name: known[name])]
        return next(iter(self.values.values())) if self.start is None else self.start


@dataclass(frozen=True)
class SameRound(Schedule):
    """A schedule that follows what the ops before it measure in the same round.

    The measures are named as those of the round before are, ``round/...``. The op waits until they are known of the
    whole table. Besides it knows the factors of guards, but no other metrics, nor what ops within the same op measure.

    Args:
        schedule: What follows them.

    Raises:
        PipelineError: If it is given a number.

    Example:
        >>> SameRound(FromMetric("round/completion_tokens", scale=1.5))(0, {"round/completion_tokens": 20.0})
        30.0
    """

    schedule: Schedule

    def __post_init__(self) -> None:
        if not isinstance(self.schedule, Schedule):
            raise PipelineError(f"SameRound is given {self.schedule!r}, which follows nothing. Give it a schedule.")

    @property
    def waits(self) -> bool:
        """That it does."""
        return True

    def __call__(self, round: int, metrics: Mapping[str, float]) -> float:
        """Return the value in this round.

        Args:
            round: Rounds made before this one.
            metrics: What the ops before it have measured.
        """
        return self.schedule(round, metrics)


@dataclass(frozen=True)
class EveryK(Schedule):
    """The last round whose number ``k`` divides: 0 for k rounds, then k for k rounds, and so on.

    Args:
        k: Rounds for which the value stays; at least 1.

    Example:
        >>> [EveryK(2)(r, {}) for r in range(5)]
        [0.0, 0.0, 2.0, 2.0, 4.0]
    """

    k: int

    def __post_init__(self) -> None:
        _check_rounds(self.k)

    def __call__(self, round: int, metrics: Mapping[str, float]) -> float:
        """Return the value in this round."""
        return float(round - round % self.k)
