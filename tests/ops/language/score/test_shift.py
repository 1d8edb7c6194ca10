"""The extent of a shift against its formula, token by token."""

import math

import pytest

from lit_iterative.columns import read
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops.language.score.shift import DistributionShift
from lit_iterative.ops.language.testing import candidates
from tests.ops.language.actors import told

TABLE = candidates(["ab", "c", "dddd~", ""])
EXAMPLES = [{"prompt": "1+1=", "completion": "2"}, {"prompt": "3+1=", "completion": "44"}]


def live(prompt, completion, place):
    return -(0.1 * completion[place] % 7) - 0.01 * len(prompt) - 0.1


def test_against_the_formula():
    context = told(live=live)
    made = read(DistributionShift(EXAMPLES)(TABLE, context), "scores.shift")

    def loss(prompt, completion):
        return -sum(live(prompt, completion, place) for place in range(len(completion))) / len(completion)

    encoded = [([1, *map(ord, e["prompt"])], [*map(ord, e["completion"]), 2]) for e in EXAMPLES]
    level = sum(loss(*example) for example in encoded) / 2
    rows = list(zip(TABLE["prompt_ids"].to_pylist(), TABLE["completion_ids"].to_pylist(), strict=True))
    for row, (prompt, completion) in enumerate(rows):
        weight = level / loss(prompt, completion)
        assert made[row] == pytest.approx(weight if weight >= 1 else 1 / weight, rel=1e-6)
    assert context.tally.values()["example_loss"] == pytest.approx(level, rel=1e-6)


def test_what_is_as_likely_as_the_examples_is_not_shifted():
    made = read(DistributionShift(EXAMPLES)(TABLE, told(live=lambda *_: -2.0)), "scores.shift")
    assert made.tolist() == [1.0] * 4


def test_a_certain_completion_is_infinitely_far():
    context = told(live=lambda prompt, completion, place: -2.0 if len(prompt) == 5 and prompt[2] == 43 else 0.0)
    made = read(DistributionShift(EXAMPLES)(candidates(["a"], prompt="?"), context), "scores.shift")
    assert made.tolist() == [math.inf]


def test_examples_without_a_loss_are_refused():
    with pytest.raises(DataError, match="loss of -?0"):
        DistributionShift(EXAMPLES)(TABLE, told(live=lambda *_: 0.0))


@pytest.mark.parametrize("examples", [[], [{"prompt": "1"}]])
def test_examples_that_lack_something_are_refused(examples):
    with pytest.raises(PipelineError, match="at least one, each with prompt and completion"):
        DistributionShift(examples)
