"""Asking a language model in this process, the policy itself or another one."""

from collections.abc import Sequence
from itertools import takewhile

import numpy as np

from lit_iterative.columns import Array
from lit_iterative.errors import DataError
from lit_iterative.generation.language import LanguageModel, Sampling
from lit_iterative.generation.prompt import Prompt
from lit_iterative.generation.respondent import Answer, Session
from lit_iterative.sequences import Tokens


class LanguageSession(Session):
    """Asks a language model. A question that it cannot read, or that leaves no room for the answer, is not answered.

    Args:
        model: The model.
        chat: Whether a question is the message of a user, or a text to continue as the model continues any prompt.

    Counts:
        ``judge_unreadable`` (the tokenizer does not know a part of it), ``judge_too_long``.
    """

    def __init__(self, model: LanguageModel, chat: bool = False) -> None:
        super().__init__()
        self._model = model
        self._chat = chat

    def answers(self, questions: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> list[Answer | None]:
        """Return a sampled answer to each question."""
        read = enumerate(map(self._readable, questions))
        prompts = {row: prompt for row, prompt in read if prompt is not None and self._fits(prompt)}
        made = self._model.generate([*prompts.values()], [seeds[row] for row in prompts], sampling)
        answers: list[Answer | None] = [None] * len(questions)
        for row, completion in zip(prompts, made, strict=True):
            answers[row] = Answer(self._model.decode(completion.ids), completion.finish)
        return answers

    def log_probs(self, questions: Sequence[str], replies: Sequence[str]) -> Array:
        """Return how likely each reply is to follow each question, ``(questions, replies)``."""
        result = np.full((len(questions), len(replies)), np.nan)
        rows: list[int] = []
        prompts: list[Tokens] = []
        completions: list[Tokens] = []
        for row, question in enumerate(questions):
            pairs = self._examples(question, replies)
            if pairs is not None:
                rows.append(row)
                prompts += [prompt for prompt, _ in pairs]
                completions += [completion for _, completion in pairs]
        scores = self._model.log_probs(prompts, completions) if rows else []
        result[rows] = np.array([score.sum for score in scores]).reshape(len(rows), len(replies))
        return result

    def _prompt(self, question: str) -> Prompt:
        return [{"role": "user", "content": question}] if self._chat else question

    def _readable(self, question: str) -> list[int] | None:
        try:
            ids = self._model.encode(self._prompt(question))
        except DataError:
            self.counts["judge_unreadable"] += 1
            return None
        return ids

    def _fits(self, prompt: Tokens) -> bool:
        """Tell whether a prompt leaves room for an answer."""
        long = len(prompt) >= self._model.context
        self.counts["judge_too_long"] += long
        return not long

    def _examples(self, question: str, replies: Sequence[str]) -> list[tuple[list[int], list[int]]] | None:
        """Return prompt and completion of each reply, cut where replies first differ; none where one cannot be read."""
        read = self._readable(question)
        if read is None or not self._fits(read):
            return None
        try:
            both = [self._model.encode_example(self._prompt(question), reply) for reply in replies]
        except DataError:  # a reply is unknown to the tokenizer, or leads beyond the context
            self.counts["judge_unreadable"] += 1
            return None
        whole = [[*prompt, *completion[:-1]] for prompt, completion in both]  # a reply may go on: no EOS
        shared = min(_shared(whole), *(len(ids) - 1 for ids in whole))
        return [(ids[:shared], ids[shared:]) for ids in whole]


def _shared(rows: Sequence[Tokens]) -> int:
    """Return how many tokens all rows begin with."""
    return len(list(takewhile(lambda tokens: len(set(tokens)) == 1, zip(*rows, strict=False))))
