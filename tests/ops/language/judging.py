"""Judges for tests, which need no model."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lit_iterative.generation.respondent import Answer, Respondent, Session
from lit_iterative.seeds import derive_seed


class FakeSession(Session):
    """Answers by a function of question and seed."""

    def __init__(self, reply: Callable[[str, int], Answer | None]) -> None:
        super().__init__()
        self._reply = reply

    def answers(self, questions: Sequence[str], seeds: Sequence[int], sampling: Any) -> list[Answer | None]:
        answers = [self._reply(*asked) for asked in zip(questions, seeds, strict=True)]
        self.counts["judge_silent"] += sum(answer is None for answer in answers)
        return answers

    def log_probs(self, questions: Sequence[str], replies: Sequence[str]) -> Any:
        draws = [[derive_seed(question, reply) % 1000 / 100 for reply in replies] for question in questions]
        return -np.array(draws).reshape(len(questions), len(replies))


@dataclass(frozen=True)
class Whim(Respondent):
    """Says one of its lines, by question and seed alone; nothing for an empty line, cut off for one that ends in dots.

    Args:
        lines: What it says.
    """

    lines: list[str] = field(default_factory=lambda: ["Score: 1", "Score: 4", "hm", "", "Score: 5 ..."])

    @contextmanager
    def session(self, forward: Any, share: float) -> Iterator[FakeSession]:
        yield FakeSession(self._reply)

    def _reply(self, question: str, seed: int) -> Answer | None:
        line = self.lines[derive_seed(question, seed) % len(self.lines)]
        return Answer(line, "length" if line.endswith("...") else "stop") if line else None


@dataclass(frozen=True)
class Told(Respondent):
    """Says what a function tells it to.

    Args:
        reply: Given the texts in a question and the seed, returns the words, or none.
    """

    reply: Callable[[list[str], int], str | None]

    @contextmanager
    def session(self, forward: Any, share: float) -> Iterator[FakeSession]:
        yield FakeSession(self._answer)

    def _answer(self, question: str, seed: int) -> Answer | None:
        said = self.reply(re.findall(r"<text-[0-9a-f]+>\n(.*?)\n</text-", question, re.DOTALL), seed)
        return None if said is None else Answer(said, "stop")
