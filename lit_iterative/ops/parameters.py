"""Parameters of ops: numbers that a schedule may have stood for, and their bounds."""

import math
from collections.abc import Sequence

from lit_iterative.errors import PipelineError
from lit_iterative.ops.schedule import Schedule


def number(value: float | Schedule) -> float:
    """Return a resolved parameter as a float.

    Raises:
        PipelineError: If it is still a schedule.

    Example:
        >>> number(1)
        1.0
    """
    if isinstance(value, Schedule):
        raise PipelineError(
            f"{value} is a schedule that knows no round. Run the op that op.at(round, metrics) returns in its place."
        )
    return float(value)


def whole(value: int | float | Schedule) -> int:
    """Return a resolved parameter as an integer, rounded, halves up.

    Example:
        >>> whole(2.5)
        3
    """
    return math.floor(number(value) + 0.5)


def check_range(
    name: str, value: float | Schedule | None, low: float = -math.inf, high: float = math.inf, open_low: bool = False
) -> None:
    """Check the bounds of a parameter; schedules are checked when they are resolved.

    Args:
        name: The op and the parameter, for the message.
        value: The parameter; nothing is checked where there is none.
        low: Smallest value.
        high: Largest value.
        open_low: Whether ``low`` itself is refused.

    Raises:
        PipelineError: If it is outside, or not a number.

    Example:
        >>> check_range("Quantile(share)", 1.5, 0, 1)
        Traceback (most recent call last):
        ...
        lit_iterative.errors.PipelineError: Quantile(share) is 1.5. Give a number from 0 to 1.
    """
    if value is None or isinstance(value, Schedule):
        return
    if not low <= value <= high or (open_low and value == low):
        bounds = f"above {low:g}" if open_low else f"from {low:g}"
        upper = f" to {high:g}" if high < math.inf else "" if open_low else " on"
        raise PipelineError(f"{name} is {value}. Give a number {bounds}{upper}.")


def check_order(low: float | Schedule, high: float | Schedule) -> None:
    """Check that something lies between two bounds; schedules are not known before a round.

    Raises:
        PipelineError: If nothing does.

    Example:
        >>> check_order(0.5, 0.5)
        Traceback (most recent call last):
        ...
        lit_iterative.errors.PipelineError: Nothing lies between low 0.5 and high 0.5. Give low < high.
    """
    if isinstance(low, Schedule) or isinstance(high, Schedule):
        return
    if not low < high:
        raise PipelineError(f"Nothing lies between low {low} and high {high}. Give low < high.")


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Check a parameter that is one of a few words.

    Raises:
        PipelineError: If it is another.

    Example:
        >>> check_choice("BestWorst(weigh)", "votes", ("none", "gap"))
        Traceback (most recent call last):
        ...
        lit_iterative.errors.PipelineError: BestWorst(weigh) is 'votes'. Give one of: none, gap.
    """
    if value not in choices:
        raise PipelineError(f"{name} is {value!r}. Give one of: {', '.join(choices)}.")
