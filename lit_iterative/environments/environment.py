"""Environment: what a world must offer so that a policy can act in it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lit_iterative.seeds import derive_seed


@dataclass(frozen=True)
class Step:
    """What follows an action.

    Args:
        observation: What the policy reads next.
        done: Whether the episode is over.
        reward: What the action earned; none where the environment does not judge it.
    """

    observation: str = ""
    done: bool = False
    reward: float | None = None


class Episode(ABC):
    """One run of a world. It follows from the task, the seed and the actions, and from nothing else."""

    #: What is read before the first action.
    opening: str = ""

    @abstractmethod
    def step(self, action: str) -> Step:
        """Do what the policy wrote in its turn, and return what follows.

        Args:
            action: Any text. What makes no sense is answered, not raised.
        """


class Environment(ABC):
    """Begins episodes. Subclass it as a frozen dataclass whose fields are its parameters.

    Example:
        >>> from lit_iterative.environments import Calculator
        >>> Calculator().reset({}, seed=0).step("3*4 is <calculator>3*4</calculator>")
        Step(observation='12', done=False, reward=None)
    """

    @property
    def requires(self) -> tuple[str, ...]:
        """Names of the columns that a task needs, such as the answer."""
        return ()

    @property
    def stop(self) -> list[str]:
        """Texts that end a turn of the policy, beside EOS."""
        return []

    @abstractmethod
    def reset(self, task: Mapping[str, Any], seed: int) -> Episode:
        """Begin an episode.

        Args:
            task: The columns that the environment requires, of one input.
            seed: Of all that it draws.
        """


def seed_of(id: Any) -> int:
    """Return the seed of an input's episodes: the same for all its candidates, in every round and every run.

    Example:
        >>> seed_of(3) == seed_of("3")
        True
    """
    return derive_seed("environment", str(id))
