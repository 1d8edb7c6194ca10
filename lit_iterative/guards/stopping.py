"""Conditions under which there is no more to gain, or nothing left to spend."""

import math
from dataclasses import dataclass

from lit_iterative.errors import PipelineError
from lit_iterative.guards.condition import Condition
from lit_iterative.guards.history import History, Mode, Record, gain
from lit_iterative.ops.parameters import check_range


@dataclass(frozen=True)
class NoNewData(Condition):
    """Rounds make no rows, or label the same inputs as before with the same labels.

    Args:
        rounds: Such rounds in a row.
        share: Share of changed labels that still counts as none.

    Raises:
        PipelineError: If there is no round.

    Example:
        >>> same = {"round/rows": 5, "round/flip_rate": 0.0, "round/new_inputs": 0}
        >>> NoNewData()(History.of([{"round/rows": 5}, same]))
        'no new data in 1 round'
    """

    rounds: int = 1
    share: float = 0.0

    def __post_init__(self) -> None:
        check_range("NoNewData(rounds)", self.rounds, 1)

    @property
    def watches(self) -> tuple[str, ...]:
        """The rows; whether labels changed is asked where there are labels."""
        return ("round/rows",)

    def __call__(self, history: History) -> str | None:
        """Look at the last rounds."""
        last = history.records[-self.rounds :]
        if len(last) < self.rounds or not all(self._is_old(record) for record in last):
            return None
        return f"no new data in {self.rounds} round{'s' if self.rounds > 1 else ''}"

    def _is_old(self, record: Record) -> bool:
        flips, inputs = record.number("round/flip_rate"), record.number("round/new_inputs")
        same = flips is not None and flips <= self.share and inputs == 0
        return record.number("round/rows") == 0 or same


@dataclass(frozen=True)
class NoGain(Condition):
    """A metric has not got better for some rounds, those included behind which the run went back.

    Args:
        metric: Its name.
        mode: Whether it is to be small or large.
        rounds: Rounds without a gain.
        min_delta: What counts as a gain.

    Raises:
        PipelineError: If there is no round.

    Example:
        >>> NoGain("val_accuracy", rounds=2)(History.of([{"val_accuracy": value} for value in (0.5, 0.5, 0.4)]))
        'val_accuracy has not been better than 0.5 for 2 rounds'
    """

    metric: str
    mode: Mode = "max"
    rounds: int = 3
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        check_range("NoGain(rounds)", self.rounds, 1)

    @property
    def watches(self) -> tuple[str, ...]:
        """The metric."""
        return (self.metric,)

    def __call__(self, history: History) -> str | None:
        """Count the rounds since the last gain."""
        values = [value for record in history.records if (value := record.number(self.metric)) is not None]
        top, waited = values[0], 0
        for value in values[1:]:
            better = gain(value, top, self.mode) > self.min_delta
            top, waited = (value, 0) if better else (top, waited + 1)
        if waited < self.rounds:
            return None
        return f"{self.metric} has not been better than {top:.4g} for {waited} rounds"


@dataclass(frozen=True)
class LittleToGain(Condition):
    """The next round is predicted to gain too little.

    The prediction is the slope of the straight line of least squares through the last rounds, which noise moves less
    than it moves a single difference.

    Args:
        metric: Its name.
        bound: The smallest gain of a round that is worth it.
        mode: Whether the metric is to be small or large.
        window: Rounds that the line goes through, at least 2.

    Raises:
        PipelineError: If the window is too small.

    Example:
        >>> rounds = [{"val_accuracy": value} for value in (0.5, 0.75, 0.76, 0.77)]
        >>> LittleToGain("val_accuracy", bound=0.02)(History.of(rounds))
        'the next round is predicted to gain 0.01 in val_accuracy, less than 0.02'
    """

    metric: str
    bound: float
    mode: Mode = "max"
    window: int = 3

    def __post_init__(self) -> None:
        check_range("LittleToGain(window)", self.window, 2)

    @property
    def watches(self) -> tuple[str, ...]:
        """The metric."""
        return (self.metric,)

    def __call__(self, history: History) -> str | None:
        """Fit the line."""
        values = history.series(self.metric)[-self.window :]
        if len(values) < self.window:
            return None
        slope = gain(_slope(values), 0.0, self.mode)
        if slope >= self.bound:
            return None
        return f"the next round is predicted to gain {slope:.4g} in {self.metric}, less than {self.bound:g}"


def _slope(values: list[float]) -> float:
    middle, mean = (len(values) - 1) / 2, sum(values) / len(values)
    over = sum((place - middle) * (value - mean) for place, value in enumerate(values))
    return over / sum((place - middle) ** 2 for place in range(len(values)))


@dataclass(frozen=True)
class Budget(Condition):
    """What rounds may cost together is spent, those included behind which the run went back.

    Args:
        tokens: Tokens sampled; ``Sample`` counts them.
        seconds: Seconds of making rounds. ``Trainer(max_time=...)`` bounds those of the whole fit.
        judge_calls: Judgements asked for; the ops that ask a judge count them.

    Raises:
        PipelineError: If there is no bound at all, or one is not above 0.

    Example:
        >>> Budget(seconds=60)(History.of([{"round/seconds": 50.0}, {"round/seconds": 20.0}]))
        '70 of 60 seconds are spent'
    """

    tokens: int | None = None
    seconds: float | None = None
    judge_calls: int | None = None

    def __post_init__(self) -> None:
        bounds = [bound for bound in self._bounds.values() if bound is not None]
        if not bounds or min(bounds) <= 0:
            raise PipelineError(f"{self} bounds nothing. Give tokens, seconds or judge_calls, each above 0.")

    @property
    def _bounds(self) -> dict[str, float | None]:
        return {"tokens": self.tokens, "seconds": self.seconds, "judge calls": self.judge_calls}

    @property
    def watches(self) -> tuple[str, ...]:
        """What counts the costs."""
        counted = {
            "tokens": ["round/candidates", "round/completion_tokens"],
            "seconds": ["round/seconds"],
            "judge calls": ["round/judgements"],
        }
        return tuple(name for kind, bound in self._bounds.items() if bound is not None for name in counted[kind])

    def __call__(self, history: History) -> str | None:
        """Add up all rounds."""
        costs = [_costs(record) for record in history.records]
        for kind, bound in self._bounds.items():
            spent = math.fsum(cost[kind] for cost in costs)
            if bound is not None and spent >= bound:
                return f"{spent:.6g} of {bound:g} {kind} are spent"
        return None


def _costs(record: Record) -> dict[str, float]:
    """Return what a round cost; what was not counted is 0."""
    names = ("candidates", "completion_tokens", "seconds", "judgements")
    candidates, length, seconds, judged = (record.number(f"round/{name}") or 0.0 for name in names)
    return {"tokens": candidates * length, "seconds": seconds, "judge calls": judged}
