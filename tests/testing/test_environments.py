"""Environments keep their promises, and broken ones fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from lit_iterative.environments import Calculator, Environment, Episode, Retry, Rooms, Step
from lit_iterative.testing import ConformanceError, check_environment

TASK = {"prompt": "lamp b2\n", "answer": "12"}
CALL = "<calculator>1+1</calculator>"


@pytest.mark.parametrize(
    ("environment", "actions"),
    [
        (Calculator(), [CALL, CALL, "2"]),
        (Calculator("", "=", "?"), ["1+1=", "+1=", "3"]),
        (Retry(), ["11", "13", "12"]),
        (Rooms(2), ["n\n", "e\n", "s\n", "take\n"]),
    ],
)
def test_environments_of_the_library(environment: Environment, actions: list[str]) -> None:
    check_environment(environment, TASK, actions)


@dataclass(frozen=True)
class Broken(Environment):
    """Breaks a promise.

    Example:
        >>> Broken("none").stop
        []
    """

    kind: str = "none"

    @property
    def stop(self) -> list[str]:
        """Texts that end a turn."""
        return [""] if self.kind == "stop" else []

    def reset(self, task: Mapping[str, Any], seed: int) -> "BrokenEpisode":
        """Begin."""
        return BrokenEpisode(self.kind, task)


class BrokenEpisode(Episode):
    """One run."""

    said: list[str] = []  # noqa: RUF012  # of all episodes, which is the fault

    def __init__(self, kind: str, task: Any) -> None:
        self._kind, self._task = kind, task

    def step(self, action: str) -> Any:
        """Break the promise."""
        if self._kind == "raise":
            return Step(str(int(action)))
        if self._kind == "type":
            return Step(3)  # type: ignore[arg-type]
        if self._kind == "task":
            self._task["more"] = action
        if self._kind == "random":
            return Step(str(np.random.rand()))  # the fault
        if self._kind == "shared":
            self.said.append(action)
            return Step(str(len(self.said)))
        return Step(action.upper())


def test_the_example_keeps_its_promises() -> None:
    check_environment(Broken(), TASK, ["a", "b"])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("stop", "empty stop text"),
        ("raise", "raises ValueError"),
        ("type", "no Step with a text"),
        ("task", "changes the task"),
        ("random", "they differ"),
        ("shared", "they differ"),
    ],
)
def test_broken_environments_fail(kind: str, message: str) -> None:
    with pytest.raises(ConformanceError, match=message):
        check_environment(Broken(kind), TASK, ["1", "2"])
