"""A world of three steps, each the letter a or b with equal chances: who has two of a is right."""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.generation.language import Completion
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import int_lists, texts_of
from lit_iterative.ops.op import Op
from lit_iterative.pool import Pool
from lit_iterative.seeds import generator
from lit_iterative.testing.fake_language import EOS, FakeLanguage

STEPS = 3
PROMPTS = pa.table(
    {"id": [3, 5, 8], "prompt": ["x", "y", "z"], "prompt_ids": int_lists([1, ord(name)] for name in "xyz")}
)
#: The chance of two of a in three, with so many of a in so many steps.
CHANCE = {(0, 0): 0.5, (0, 1): 0.25, (1, 1): 0.75, (0, 2): 0.0, (1, 2): 0.5, (2, 2): 1.0}


class Walker(FakeLanguage):
    """Writes ``a;b;a`` and an end, from wherever it is asked to go on."""

    def __init__(self, context=2**31):
        super().__init__()
        self.context = context

    def _completion(self, prompt, seed, sampling):
        written, asked = [], prompt.count(ord(";"))
        for place in range(asked, STEPS):
            written.append(ord("ab"[generator("walk", seed, place).integers(2)]))
            written.append(EOS if place == STEPS - 1 else ord(";"))
            if ";" in sampling.stop:
                break
        cut = written[: sampling.max_new_tokens]
        return Completion(cut, "stop" if len(cut) == len(written) else "length")


class WalkerForward:
    """Lends it."""

    def __init__(self, context=2**31):
        self.model = Walker(context)

    @contextmanager
    def language(self, member):
        yield self.model


def walking(round=0, seed=0, context=2**31):
    return Context(Pool(range(9), 1), round=round, seed=seed, forward=WalkerForward(context))


@dataclass(frozen=True)
class TwoOfA(Op):
    """Whether a text has two of a."""

    requires = ("text",)
    provides = ("scores.correct",)

    def __call__(self, table, context):
        right = [text.count("a") >= 2 for text in texts_of(table, "text")]
        return write(table, **{"scores.correct": np.array(right, dtype=np.float64)})


@dataclass(frozen=True)
class LovesB(Op):
    """Scores a step by its b; says nothing of the steps of the first prompt's first state."""

    requires = ("text", "prompt")
    provides = ("scores.judge",)

    def __call__(self, table, context):
        both = zip(texts_of(table, "text"), texts_of(table, "prompt"), strict=True)
        score = [np.nan if prompt == "x" else float(text.count("b")) for text, prompt in both]
        return write(table, **{"scores.judge": np.array(score)})
