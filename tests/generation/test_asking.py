"""Asking a language model in this process."""

import math

import numpy as np
import pytest
import torch

from lit_iterative.errors import DataError
from lit_iterative.generation.asking import LanguageSession
from lit_iterative.generation.language import Completion, Sampling, TokenScores
from tests.projects import words


class Parrot:
    """A language model of characters that repeats its prompt, and knows no z."""

    context = 8

    def __init__(self):
        self.prompts = []

    def encode(self, prompt):
        text = prompt if isinstance(prompt, str) else f"<{prompt[0]['role']}>{prompt[0]['content']}"
        if "z" in text:
            raise DataError("z is unknown")
        return list(map(ord, text))

    def encode_example(self, prompt, completion):
        ids = self.encode(prompt), [*map(ord, completion), 0]
        if sum(map(len, ids)) > self.context:
            raise DataError("too long")
        return ids

    def decode(self, ids):
        return "".join(map(chr, ids))

    def generate(self, prompts, seeds, sampling):
        self.prompts += prompts
        pairs = zip(prompts, seeds, strict=True)
        return [Completion([*prompt, seed], "length" if seed == 66 else "stop") for prompt, seed in pairs]

    def log_probs(self, prompts, completions):
        self.prompts += prompts
        return [TokenScores(-np.array(completion, dtype=np.float32)) for completion in completions]


def test_answers_are_decoded_completions():
    session = LanguageSession(Parrot())
    made = session.answers(["ab", "c"], [65, 66], Sampling())
    assert [(answer.text, answer.finish) for answer in made] == [("abA", "stop"), ("cB", "length")]
    assert session.counts.total() == 0


def test_questions_may_be_the_message_of_a_user():
    model = Parrot()
    model.context = 100
    LanguageSession(model, chat=True).answers(["ab"], [65], Sampling())
    assert model.decode(model.prompts[0]) == "<user>ab"


def test_what_cannot_be_read_or_is_too_long_is_not_answered():
    model = Parrot()
    session = LanguageSession(model)
    made = session.answers(["a", "z", "b" * 7, "b" * 8], [65] * 4, Sampling())
    assert [answer and answer.text for answer in made] == ["aA", None, "bbbbbbbA", None]
    assert session.counts == {"judge_unreadable": 1, "judge_too_long": 1}
    assert len(model.prompts) == 2


def test_probabilities_are_of_what_tells_the_replies_apart():
    model = Parrot()
    session = LanguageSession(model)
    found = session.log_probs(["q", "z", "b" * 7, "b" * 8, "r"], ["=ab", "=c"])
    assert found[[0, 4]].tolist() == [[-ord("a") - ord("b"), -ord("c")]] * 2
    assert np.isnan(found[1:4]).all()
    assert [model.decode(prompt) for prompt in model.prompts] == ["q=", "q=", "r=", "r="]
    assert session.counts == {"judge_unreadable": 2, "judge_too_long": 1}


def test_nothing_readable_asks_nothing():
    model = Parrot()
    assert np.isnan(LanguageSession(model).log_probs(["z"], ["a", "b"])).all()
    assert model.prompts == []


def test_probabilities_of_a_real_policy():
    """Against the probability of every token, one forward pass each, in float64."""
    policy = words.policy()
    policy.configure_model()
    policy.eval()
    replies = ["=1", "=20", "=21"]
    found = LanguageSession(policy).log_probs(["12+3", "4"], replies)
    network = policy.network.double()
    for question, row in zip(["12+3", "4"], found, strict=True):
        for reply, log_prob in zip(replies, row, strict=True):
            ids, total = policy.encode(f"{question}="), 0.0
            for token in policy.encode(f"{question}{reply}")[len(ids) :]:
                with torch.no_grad():
                    logits = network(torch.tensor([ids])).logits[0, -1]
                total += float(logits[token] - logits.logsumexp(0))
                ids = [*ids, token]
            assert log_prob == pytest.approx(total, abs=1e-5)
    assert math.isfinite(found.sum())
