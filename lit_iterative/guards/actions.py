"""What follows when a guard fires: nothing but a warning, the end, a way back, a change."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

from lit_iterative.guards.history import History, Mode, best
from lit_iterative.ops.parameters import check_range
from lit_iterative.rounds.verdict import Verdict


class Action(ABC):
    """Decides what follows. Subclass it as a frozen dataclass."""

    @abstractmethod
    def __call__(self, verdict: Verdict, history: History) -> Verdict:
        """Return the verdict with what follows from this guard.

        Args:
            verdict: That of the guards before.
            history: All rounds; the last one is judged.
        """


@dataclass(frozen=True)
class Warn(Action):
    """Says so, in the log and in the store, and goes on.

    Example:
        >>> Warn()(Verdict(), History.of([{}])) == Verdict()
        True
    """

    def __call__(self, verdict: Verdict, history: History) -> Verdict:
        """Change nothing."""
        return verdict


@dataclass(frozen=True)
class Stop(Action):
    """Ends the run at once, without training on the round that is judged.

    Example:
        >>> Stop()(Verdict(), History.of([{}])).stop
        True
    """

    def __call__(self, verdict: Verdict, history: History) -> Verdict:
        """End the run."""
        return replace(verdict, stop=True)


@dataclass(frozen=True)
class Finish(Action):
    """Trains on the round that is judged, and ends the run when the next one would be due.

    Example:
        >>> Finish()(Verdict(), History.of([{}])).last
        True
    """

    def __call__(self, verdict: Verdict, history: History) -> Verdict:
        """Make no more rounds."""
        return replace(verdict, last=True)


@dataclass(frozen=True)
class GoBack(Action):
    """Goes back to the best earlier round: weights, reference, optimiser, schedules and data are those in front of it.

    The round that is judged stays in the store, but nothing is trained on it. The next round is made by the best one's
    weights, at once where one is due, with new draws. Rounds behind which the run went back are no way back, nor are
    those whose checkpoint was pruned.

    Args:
        monitor: The metric that says which round is the best, such as ``val_accuracy``.
        mode: Whether it is to be small or large.
        times: Returns without a better round in between; behind the last of them the run ends.

    Raises:
        PipelineError: If ``times`` is below 1.

    Example:
        >>> history = History.of([{"val_accuracy": value} for value in (0.5, 0.75, 0.25)])
        >>> GoBack("val_accuracy")(Verdict(), history).back_to
        1
    """

    monitor: str
    mode: Mode = "max"
    times: int = 3

    def __post_init__(self) -> None:
        check_range("GoBack(times)", self.times, 1)

    def __call__(self, verdict: Verdict, history: History) -> Verdict:
        """Name the best round; where there is none, end the run."""
        sound = [record for record in history.records[:-1] if record.verdict.sound and record.restorable]
        values = {record.round: value for record in sound if (value := record.number(self.monitor)) is not None}
        if not values:
            return replace(verdict, stop=True)
        rounds = list(values)
        to = rounds[best(list(values.values()), self.mode)]
        since = next(round for round in rounds if values[round] == values[to])
        returns = sum(record.verdict.back_to is not None for record in history.records[since:-1])
        return replace(verdict, back_to=to, stop=verdict.stop or returns + 1 >= self.times)


@dataclass(frozen=True)
class Change(Action):
    """Multiplies a parameter by a factor: a temperature or a threshold from the next round on, the mixture at once.

    In the plan, or in ``Mixing(gold_share=...)``, ``Steered(name, value)`` stands in its place, which also holds it
    between two bounds.

    Args:
        parameter: The name there.
        times: The factor, above 0; it is applied each time the guard fires.

    Raises:
        PipelineError: If the factor is not above 0.

    Example:
        >>> Change("temperature", 1.25)(Verdict(factors={"temperature": 2.0}), History.of([{}])).factors
        {'temperature': 2.5}
    """

    parameter: str
    times: float

    def __post_init__(self) -> None:
        check_range("Change(times)", self.times, 0, open_low=True)

    def __call__(self, verdict: Verdict, history: History) -> Verdict:
        """Multiply the factor."""
        factor = verdict.factors.get(self.parameter, 1.0) * self.times
        return replace(verdict, factors={**verdict.factors, self.parameter: factor})
