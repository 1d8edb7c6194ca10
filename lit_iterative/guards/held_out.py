"""Conditions on what is held out: the run looks better, and is not."""

from dataclasses import dataclass

from lit_iterative.guards.condition import Condition
from lit_iterative.guards.history import History, Mode, best, gain


@dataclass(frozen=True)
class Worse(Condition):
    """A held-out metric is worse than in its best round.

    Args:
        metric: Its name; log it in ``validation_step``.
        mode: Whether it is to be small or large.
        tolerance: By how much it may be worse; about two standard errors, ``2 * sqrt(p * (1 - p) / rows)`` for an
            accuracy, or noise rings the alarm.

    Example:
        >>> Worse("val_accuracy", tolerance=0.05)(History.of([{"val_accuracy": 0.8}, {"val_accuracy": 0.7}]))
        'val_accuracy is 0.7, after 0.8 in front of round 0'
    """

    metric: str
    mode: Mode = "max"
    tolerance: float = 0.02

    @property
    def watches(self) -> tuple[str, ...]:
        """The metric."""
        return (self.metric,)

    def __call__(self, history: History) -> str | None:
        """Compare it with the best round's."""
        rounds = [record.round for record in history.path if record.number(self.metric) is not None]
        values = history.series(self.metric)
        top = best(values, self.mode)
        if gain(values[-1], values[top], self.mode) >= -self.tolerance:
            return None
        return f"{self.metric} is {values[-1]:.4g}, after {values[top]:.4g} in front of round {rounds[top]}"


@dataclass(frozen=True)
class Overoptimised(Condition):
    """The reward that is trained for rose, while a held-out check fell (Gao et al., 2022, arXiv:2210.10760).

    Compared with the round in which the check was at its best.

    Args:
        proxy: What is trained for, large, such as ``round/reward_score``.
        held_out: The check.
        mode: Whether the check is to be small or large.
        tolerance: By how much the check may be worse.
        rise: How much more of the proxy is a rise.

    Example:
        >>> rounds = [{"round/reward_score": 1.0, "win": 0.5}, {"round/reward_score": 3.0, "win": 0.25}]
        >>> Overoptimised("round/reward_score", "win")(History.of(rounds))
        'round/reward_score rose from 1 to 3, while win went from 0.5 to 0.25'
    """

    proxy: str
    held_out: str
    mode: Mode = "max"
    tolerance: float = 0.02
    rise: float = 0.0

    @property
    def watches(self) -> tuple[str, ...]:
        """Both metrics."""
        return (self.proxy, self.held_out)

    def __call__(self, history: History) -> str | None:
        """Compare both with the round in which the check was at its best."""
        return apart(history, self.proxy, self.held_out, self.mode, self.rise, self.tolerance)


@dataclass(frozen=True)
class Sharpening(Condition):
    """The policy grows certain of what it could do before, and forgets the rest: pass@k falls while majority@k rises.

    Compared with the round in which pass@k was at its best. The op ``PassRate`` measures both, behind ``Verify`` and
    ``SelfConsistency``.

    Args:
        tolerance: By how much pass@k may fall.
        rise: How much more of majority@k is a rise.

    Example:
        >>> rounds = [{"round/pass_at_k": 0.9, "round/majority_at_k": 0.4}]
        >>> rounds += [{"round/pass_at_k": 0.6, "round/majority_at_k": 0.5}]
        >>> Sharpening()(History.of(rounds))
        'round/majority_at_k rose from 0.4 to 0.5, while round/pass_at_k went from 0.9 to 0.6'
    """

    tolerance: float = 0.05
    rise: float = 0.0

    @property
    def watches(self) -> tuple[str, ...]:
        """Both metrics."""
        return ("round/majority_at_k", "round/pass_at_k")

    def __call__(self, history: History) -> str | None:
        """Compare both with the round in which pass@k was at its best."""
        rising, falling = self.watches
        return apart(history, rising, falling, "max", self.rise, self.tolerance)


def apart(history: History, rising: str, falling: str, mode: Mode, rise: float, tolerance: float) -> str | None:
    """Say that one metric has risen and another got worse since that one was at its best, if so."""
    pairs = [(record.number(rising), record.number(falling)) for record in history.path]
    known = [(one, other) for one, other in pairs if one is not None and other is not None]
    then = known[best([other for _, other in known], mode)]
    now = known[-1]
    if now[0] - then[0] <= rise or gain(now[1], then[1], mode) >= -tolerance:
        return None
    return f"{rising} rose from {then[0]:.4g} to {now[0]:.4g}, while {falling} went from {then[1]:.4g} to {now[1]:.4g}"
