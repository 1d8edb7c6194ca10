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
class CanariesOverconfident(Condition):
    """The policy is surer of the canaries than it is right, so that wrong labels pass for good ones.

    ``canary_calibration_error`` is measured too, and is no alarm: it is large as well where a policy is too modest.

    Args:
        at_most: The largest difference of their mean confidence and their accuracy that is well.

    Example:
        >>> metrics = {"round/canary_confidence": 0.9, "round/canary_accuracy": 0.6}
        >>> CanariesOverconfident()(History.of([metrics]))
        '60.0% of the canaries are right, at a confidence of 90.0%'
    """

    at_most: float = 0.15

    @property
    def watches(self) -> tuple[str, ...]:
        """Their confidence and their accuracy."""
        return ("round/canary_confidence", "round/canary_accuracy")

    def __call__(self, history: History) -> str | None:
        """Compare both."""
        sure, right = (history.series(name)[-1] for name in self.watches)
        if sure - right <= self.at_most:
            return None
        return f"{right:.1%} of the canaries are right, at a confidence of {sure:.1%}"
