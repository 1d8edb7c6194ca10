"""Calculator: works out the terms that a policy hands over."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lit_iterative.environments.arithmetic import value_of, written
from lit_iterative.environments.environment import Environment, Episode, Step
from lit_iterative.errors import PipelineError


@dataclass(frozen=True)
class Calculator(Environment):
    """Answers calls such as ``<calculator>3*4</calculator>`` with their value; a turn without one is the last.

    A call that begins with an operator goes on from the last value, as on a pocket calculator. It judges nothing: put a
    verifier behind the rollout.

    Args:
        begin: What a call begins with; where it is empty, all that was written in the turn is the call.
        end: What it ends with.
        unknown: What is answered where the call is no term.

    Raises:
        PipelineError: If nothing ends a call.

    Example:
        >>> episode = Calculator(begin="", end="=").reset({}, seed=0)
        >>> [episode.step(action).observation for action in ("7+5=", "+1=", "++=")]
        ['12', '13', 'error']
        >>> episode.step("The answer is 13.").done
        True
    """

    begin: str = "<calculator>"
    end: str = "</calculator>"
    unknown: str = "error"

    def __post_init__(self) -> None:
        if not self.end:
            raise PipelineError("Calculator(end) is empty, so that no call would end. Give a text, such as '='.")

    @property
    def stop(self) -> list[str]:
        """A turn ends with a call."""
        return [self.end]

    def reset(self, task: Mapping[str, Any], seed: int) -> "Calculation":
        """Begin with no value."""
        return Calculation(self)


class Calculation(Episode):
    """The calls of one rollout.

    Args:
        calculator: How a call is written.
    """

    def __init__(self, calculator: Calculator) -> None:
        self._calculator = calculator
        self._last = ""

    def step(self, action: str) -> Step:
        """Return the value of the call."""
        begin, end = self._calculator.begin, self._calculator.end
        before, ended, _ = action.partition(end)
        _, begun, call = before.rpartition(begin) if begin else ("", "all", before)
        if not (ended and begun):
            return Step(done=True)
        goes_on = call.strip()[:1] in ("+", "-", "*", "/") and self._last
        value = value_of(f"{self._last}{call}" if goes_on else call)
        if value is None:
            return Step(self._calculator.unknown)
        self._last = written(value)
        return Step(self._last)
