"""Retry: says whether an answer is right, and asks for another one as long as it is not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lit_iterative.answers import Comparison, Extractor, LastNumber, Numeric
from lit_iterative.environments.environment import Environment, Episode, Step


@dataclass(frozen=True)
class Retry(Environment):
    r"""Lets a policy attempt its prompt again while its answer is wrong; the reward is 1 for a right one, else 0.

    RISE (Qu et al., 2024, arXiv:2407.18219) unrolls a prompt into several turns in this way.

    Args:
        feedback: What is read behind a wrong attempt.
        key: The column of the right answer; without one in a row, its first attempt ends the episode, unjudged.
        extractor: Finds the answer in an attempt.
        comparison: Compares it with the key.

    Example:
        >>> episode = Retry().reset({"answer": "12"}, seed=0)
        >>> episode.step("11")
        Step(observation='\nThis is not right. Try again.\n', done=False, reward=0.0)
        >>> episode.step("It is 12")
        Step(observation='', done=True, reward=1.0)
    """

    feedback: str = "\nThis is not right. Try again.\n"
    key: str = "answer"
    extractor: Extractor = field(default_factory=LastNumber)
    comparison: Comparison = field(default_factory=Numeric)

    @property
    def requires(self) -> tuple[str, ...]:
        """The right answer."""
        return (self.key,)

    def reset(self, task: Mapping[str, Any], seed: int) -> "Attempts":
        """Begin with no attempt."""
        return Attempts(self, task[self.key])


class Attempts(Episode):
    """The attempts at one prompt.

    Args:
        rules: What they are judged by.
        key: The right answer, if there is one.
    """

    def __init__(self, rules: Retry, key: Any) -> None:
        self._rules = rules
        self._key = key

    def step(self, action: str) -> Step:
        """Judge an attempt."""
        if self._key is None:
            return Step(done=True)
        found = self._rules.extractor(action)
        right = False if found is None else self._rules.comparison(found, str(self._key))
        if right is None:
            return Step(done=True)
        return Step(done=True, reward=1.0) if right else Step(self._rules.feedback, reward=0.0)
