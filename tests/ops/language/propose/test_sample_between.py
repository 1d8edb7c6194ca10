"""Completions on both sides of a gap."""

from contextlib import contextmanager

import pyarrow as pa
import pytest

from lit_iterative.errors import PipelineError, SetupError
from lit_iterative.generation.language import Completion, Sampling
from lit_iterative.ops import Context, Linear
from lit_iterative.ops.actors import Ensemble, Initial, Policy
from lit_iterative.ops.language import ContrastivePrompts, SampleBetween
from lit_iterative.ops.language.tokens import int_lists
from lit_iterative.pool import Pool
from lit_iterative.testing.fake_language import FakeLanguage

TABLE = pa.table({"id": [4, 2], "prompt": ["x", "y"], "prompt_ids": int_lists([[1], [1]])})


class Asked(FakeLanguage):
    """Writes what it is asked, and the share; keeps the seeds."""

    def __init__(self):
        super().__init__()
        self.seeds, self.kind = [], None

    def generate_mixed(self, contexts, mixture, seeds, sampling):
        self.seeds, self.kind = list(seeds), mixture.kind
        rows = zip(contexts, mixture.shares, strict=True)
        return [
            Completion([*map(ord, f"{self.decode(a)}|{self.decode(b)}|{share:g}")], "stop") for (a, b), share in rows
        ]


class AskedForward:
    def __init__(self, model):
        self.model = model

    @contextmanager
    def language(self, member):
        yield self.model


def told(model, round=0):
    return Context(Pool([{}] * 5, 1), round=round, forward=AskedForward(model))


def test_sides_are_as_far_apart_as_the_gap():
    model = Asked()
    context = told(model)
    made = SampleBetween("good {prompt}", "bad {prompt}", 0.5, n=2)(TABLE, context)
    assert made["text"].to_pylist() == [
        f"good {prompt}|bad {prompt}|{share}" for prompt in "xy" for share in ("0.75", "0.75", "0.25", "0.25")
    ]
    assert made["context"].to_pylist() == ["positive", "positive", "negative", "negative"] * 2
    assert made["group"].to_pylist() == made["id"].to_pylist() == [4] * 4 + [2] * 4
    assert made["candidate"].to_pylist() == [0, 1, 2, 3] * 2
    assert made["prompt_ids"].to_pylist() == [[1]] * 8, "the contexts are not trained on"
    assert (len(set(model.seeds)), model.kind) == (8, "arithmetic")
    assert context.tally.values()["gap"] == 0.5
    assert context.tally.values()["candidates"] == 8


def test_the_gap_follows_its_schedule_and_draws_the_round():
    op, seeds = SampleBetween("{prompt}", "!{prompt}", Linear(1.0, 0.5, 1)), []
    for round, shares in ((0, ["1", "0"]), (1, ["0.75", "0.25"])):
        model = Asked()
        made = op.at(round, {})(TABLE, told(model, round))
        assert [text.split("|")[2] for text in made["text"].to_pylist()] == shares * 2
        seeds.append(model.seeds)
    assert not set(seeds[0]) & set(seeds[1])


def test_pairs_are_of_both_sides():
    op = SampleBetween("good {prompt}", "bad {prompt}", 0.8)
    pairs = ContrastivePrompts()(op(TABLE, told(Asked())), told(Asked()))
    assert pairs["chosen"].to_pylist() == ["good x|bad x|0.9", "good y|bad y|0.9"]
    assert pairs["rejected"].to_pylist() == ["good x|bad x|0.1", "good y|bad y|0.1"]


@pytest.mark.parametrize(
    "wrong",
    [{"n": 0}, {"gap": 1.5}, {"gap": -0.1}, {"actor": Ensemble([Policy(), Initial()])}, {"negative": "no place"}],
)
def test_parameters_that_make_no_sense_are_refused(wrong):
    with pytest.raises(PipelineError):
        SampleBetween(**{"positive": "{prompt}", "negative": "!{prompt}", **wrong})
    assert SampleBetween("{prompt}", "!{prompt}", 1.5, mixture="geometric").gap == 1.5


def test_a_model_that_cannot_mix_is_refused():
    class Plain:
        encode = FakeLanguage.encode

    with pytest.raises(SetupError, match="Plain has no generate_mixed"):
        SampleBetween("{prompt}", "!{prompt}", sampling=Sampling(4))(TABLE, told(Plain()))
