"""Stand-ins: a policy whose log-probabilities a test decides, by the weights that are asked, and a lenient verifier."""

from contextlib import contextmanager

import numpy as np

from lit_iterative.columns import read, write
from lit_iterative.generation.language import TokenScores
from lit_iterative.ops.context import Context
from lit_iterative.pool import Pool
from lit_iterative.testing.fake_language import FakeLanguage
from tests.projects.words import Closeness


class Told(FakeLanguage):
    """Finds every token as likely as a function of prompt, completion and place says."""

    def __init__(self, log_prob):
        super().__init__()
        self._log_prob = log_prob

    def _scores(self, prompt, completion, details):
        values = [self._log_prob(prompt, completion, place) for place in range(len(completion))]
        array = np.array(values, dtype=np.float32)
        return TokenScores(array, *((-array, -2 * array) if details else ()))


class ToldForward:
    """Lends another model for each name of weights."""

    def __init__(self, models):
        self._models = models

    @contextmanager
    def language(self, member):
        yield self._models[member.weights]


def told(pool=None, round=0, **log_probs) -> Context:
    """Return a context in which the policy is told what to say; ``live`` stands for the live weights."""
    models = {None if name == "live" else name: Told(log_prob) for name, log_prob in log_probs.items()}
    return Context(pool or Pool(range(9), 1), round=round, forward=ToldForward(models))


class FirstDigit(Closeness):
    """Scores as correct what begins with the first digit of the answer."""

    @property
    def provides(self):
        return ("scores.correct",)

    def __call__(self, table, context):
        score = read(Closeness()(table, context), "scores.reward") == 0
        return write(table, **{"scores.correct": score.astype(float)})
