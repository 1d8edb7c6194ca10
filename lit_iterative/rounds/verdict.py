"""The verdict on a round: what guards said of it, and what follows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

#: What schedules read: the factor by which a guard has changed a parameter, by its name.
FACTOR = "factor/"


@dataclass(frozen=True)
class Event:
    """What one guard said.

    Args:
        guard: Class of its condition.
        action: Class of its action; none where it could not judge.
        said: A sentence with the numbers.
    """

    guard: str
    action: str | None
    said: str


@dataclass(frozen=True)
class Verdict:
    """What follows from a round.

    Args:
        events: What guards said.
        back_to: The round in front of which the run goes back, instead of training on this one.
        stop: Whether the run ends here, without training on this round.
        last: Whether the run ends when it has trained on this round.
        factors: By how much parameters have been changed so far, by name.
    """

    events: list[Event] = field(default_factory=list)
    back_to: int | None = None
    stop: bool = False
    last: bool = False
    factors: dict[str, float] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether the run went on from this round."""
        return self.back_to is None and not self.stop

    @property
    def known_factors(self) -> dict[str, float]:
        """The factors as schedules read them."""
        return {f"{FACTOR}{name}": value for name, value in self.factors.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return it as primitives."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Verdict":
        """Read what :meth:`to_dict` returned."""
        return cls(**{**values, "events": [Event(**event) for event in values["events"]]})


def path(returns: Sequence[int | None]) -> list[int]:
    """Return the rounds on which the next one builds.

    Args:
        returns: For each round so far, in front of which one the run went back behind it, or none where it went on.

    Example:
        >>> path([None, None, None]), path([None, None, 1]), path([None, None, 1, None])
        ([0, 1, 2], [0], [0, 3])
    """
    before: list[list[int]] = [[]]
    for round, back_to in enumerate(returns):
        before.append([*before[round], round] if back_to is None else before[back_to])
    return before[-1]
