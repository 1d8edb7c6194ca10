"""What the parameters of losses may be: bounds that stand in the signature, and their check."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from torch import Tensor

from lit_iterative.errors import SetupError


@dataclass(frozen=True)
class Bounds:
    """The interval of a number, its ends included unless they are open.

    Args:
        low: Lower end.
        high: Upper end.
        open_low: Whether the lower end itself is refused.
        open_high: Whether the upper end itself is refused.
    """

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below and math.isfinite(value)

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.open_low else f"{self.low:g} or more"
        high = f"below {self.high:g}" if self.open_high else f"{self.high:g} or less"
        ends = ((self.low, low), (self.high, high))
        return " and ".join(text for end, text in ends if math.isfinite(end)) or "that is finite"


Positive = Annotated[float, Bounds(0, open_low=True)]
NonNegative = Annotated[float, Bounds(0)]
Finite = Annotated[float, Bounds()]
Share = Annotated[float, Bounds(0, 1, open_low=True)]
#: The share of wrong labels: from none to fewer than half.
Noise = Annotated[float, Bounds(0, 0.5, open_high=True)]
#: The same where the formula takes its logarithm.
SomeNoise = Annotated[float, Bounds(0, 0.5, open_low=True, open_high=True)]


def parameters_of(function: Callable[..., Tensor]) -> dict[str, Any]:
    """Return the parameters of a loss that have defaults, with what they are declared as.

    Example:
        >>> from lit_iterative.losses.dpo import dpo
        >>> list(parameters_of(dpo))
        ['beta']
    """
    hints = get_type_hints(function, include_extras=True)
    defaults = signature(function).parameters.items()
    return {name: hints[name] for name, parameter in defaults if parameter.default is not parameter.empty}


def check_arguments(loss: str, function: Callable[..., Tensor], arguments: Mapping[str, Any]) -> None:
    """Check that a loss knows every argument and that each is in its bounds.

    Args:
        loss: The name of the loss, for the message.
        function: The loss.
        arguments: The arguments, by name.

    Raises:
        SetupError: If one is unknown, of another type, or out of bounds.

    Example:
        >>> from lit_iterative.losses.dpo import dpo
        >>> check_arguments("dpo", dpo, {"beta": -1.0})
        Traceback (most recent call last):
        ...
        lit_iterative.errors.SetupError: The loss dpo has beta=-1.0. Give a number above 0.
    """
    parameters = parameters_of(function)
    for name, value in arguments.items():
        if name not in parameters:
            known = ", ".join(parameters) or "none"
            raise SetupError(f"The loss {loss} has no parameter {name!r}. It has: {known}.")
        wanted = _refused(parameters[name], value)
        if wanted:
            raise SetupError(f"The loss {loss} has {name}={value!r}. Give {wanted}.")


def _refused(declared: Any, value: Any) -> str:
    """Return what should have been given, or nothing where the value is right."""
    if declared is bool:
        return "" if isinstance(value, bool) else "true or false"
    bounds = get_args(declared)[1] if get_origin(declared) is Annotated else Bounds()
    right = isinstance(value, int | float) and not isinstance(value, bool) and value in bounds
    return "" if right else f"a number {bounds}"
