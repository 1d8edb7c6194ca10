"""A world for tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lit_iterative.environments import Environment, Episode, Step


@dataclass(frozen=True)
class Parrot(Environment):
    """Says what was said, in capitals, until it hears an ``a``; a ``b`` earns a point, an ``e`` goes unjudged."""

    opening: str = "HI"

    @property
    def requires(self) -> tuple[str, ...]:
        return ("answer",)

    @property
    def stop(self) -> list[str]:
        return ["\n"]

    def reset(self, task: Mapping[str, Any], seed: int) -> "Talk":
        return Talk(f"{self.opening}{task['answer']}{seed % 10}" if self.opening else "")


class Talk(Episode):
    def __init__(self, opening: str) -> None:
        self.opening = opening

    def step(self, action: str) -> Step:
        return Step(action.upper(), "a" in action, None if "e" in action else float("b" in action))
