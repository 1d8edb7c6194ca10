"""Respondents: who answers questions in words, be it a language model in this process or one behind HTTP."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from lit_iterative.columns import Array
from lit_iterative.errors import PipelineError
from lit_iterative.generation.forward import ForwardPass
from lit_iterative.generation.language import Finish, Sampling


@dataclass(frozen=True)
class Answer:
    """What a respondent says.

    Args:
        text: Its words.
        finish: ``length`` where they were cut off, else ``stop``.
    """

    text: str
    finish: Finish


class Session(ABC):
    """A respondent at work.

    Attributes:
        counts: What it saw on the side, such as questions that nobody answered.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    @abstractmethod
    def answers(self, questions: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> list[Answer | None]:
        """Return an answer to each question; none where the respondent abstains.

        Args:
            questions: Texts.
            seeds: The seed of each answer's draws. Equal questions with equal seeds have equal answers.
            sampling: How to draw.
        """

    def log_probs(self, questions: Sequence[str], replies: Sequence[str]) -> Array:
        """Return how likely each reply is to follow each question.

        Returns:
            Log-probabilities, ``(questions, replies)``, float64; NaN where the respondent abstains. They
            leave out what all replies begin with.

        Raises:
            PipelineError: If the respondent tells no probabilities.
        """
        raise PipelineError(
            f"{type(self).__name__} tells no probabilities. Set reading: text, or ask a PolicyJudge or a LocalJudge."
        )


class Respondent(ABC):
    """Answers questions. Subclass it as a frozen dataclass that says who."""

    @abstractmethod
    def session(self, forward: Callable[[], ForwardPass], share: float) -> AbstractContextManager[Session]:
        """Start to ask.

        Args:
            forward: Gives the forward pass of the policy, for those that need it.
            share: The share of the round's inputs that this session is about; it may spend as much of a budget.
        """
