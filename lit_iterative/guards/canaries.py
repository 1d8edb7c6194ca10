"""Conditions on canaries: inputs with known answers that are hidden in the pool and never train."""

from dataclasses import dataclass

from lit_iterative.guards.condition import Condition
from lit_iterative.guards.history import History


@dataclass(frozen=True)
class CanariesWrong(Condition):
    """Fewer canaries are right than in their best round. The ops ``Canaries`` and ``ScoredCanaries`` measure it.

    Args:
        tolerance: By how much their accuracy may be worse.

    Example:
        >>> CanariesWrong()(History.of([{"round/canary_accuracy": 0.9}, {"round/canary_accuracy": 0.7}]))
        '70.0% of the canaries are right, after 90.0%'
    """

    tolerance: float = 0.1

    @property
    def watches(self) -> tuple[str, ...]:
        """Their accuracy."""
        return ("round/canary_accuracy",)

    def __call__(self, history: History) -> str | None:
        """Compare it with the best round's."""
        values = history.series("round/canary_accuracy")
        top, now = max(values), values[-1]
        return f"{now:.1%} of the canaries are right, after {top:.1%}" if now < top - self.tolerance else None


@dataclass(frozen=True)
class CanariesMiscalibrated(Condition):
    """The policy is surer of the canaries than it is right, by more than in its best round.

    Args:
        tolerance: By how much their calibration error may be worse.

    Example:
        >>> errors = [{"round/canary_calibration_error": 0.05}, {"round/canary_calibration_error": 0.3}]
        >>> CanariesMiscalibrated()(History.of(errors))
        'the calibration error of the canaries is 0.3, after 0.05'
    """

    tolerance: float = 0.15

    @property
    def watches(self) -> tuple[str, ...]:
        """Their calibration error."""
        return ("round/canary_calibration_error",)

    def __call__(self, history: History) -> str | None:
        """Compare it with the best round's."""
        values = history.series("round/canary_calibration_error")
        low, now = min(values), values[-1]
        if now <= low + self.tolerance:
            return None
        return f"the calibration error of the canaries is {now:.4g}, after {low:.4g}"
