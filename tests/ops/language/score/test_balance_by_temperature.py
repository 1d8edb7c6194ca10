from contextlib import contextmanager

import pyarrow as pa
import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.generation.language import Completion
from lit_iterative.ops.context import Context
from lit_iterative.ops.language import BalanceByTemperature
from lit_iterative.ops.language.tokens import int_lists
from lit_iterative.pool import Pool
from lit_iterative.testing.fake_language import EOS, FakeLanguage
from lit_iterative.testing.fixtures import FakeForward

#: What is said at each temperature: alike, different, and mostly wrong.
SAID = {0.5: ["1=7", "1=7", "1=7", "2=7"], 1.0: ["1=7", "2=7", "3=7", "5"], 2.0: ["4", "5", "1=7", "6"]}
PROMPTS = 40
TABLE = pa.table(
    {
        "id": range(PROMPTS),
        "prompt_ids": int_lists([[1, 50 + row] for row in range(PROMPTS)]),
        "answer": ["7"] * PROMPTS,
    }
)


class Says(FakeLanguage):
    def __init__(self):
        super().__init__()
        self.asked = []

    def generate(self, prompts, seeds, sampling):
        self.asked += [(sampling.temperature, prompt[1] - 50) for prompt in prompts]
        said = SAID[sampling.temperature]
        return [Completion([*map(ord, said[place % 4]), EOS], "stop") for place in range(len(prompts))]


class Forward(FakeForward):
    def __init__(self):
        super().__init__()
        self.model = Says()

    @contextmanager
    def language(self, member):
        yield self.model


def measured(table=TABLE, context=None, **options):
    """Return what is measured, and which prompts it was tried on."""
    context = context or Context(Pool(range(PROMPTS), 1), forward=Forward())
    assert BalanceByTemperature(list(SAID), n=4, **options)(table, context) is table
    asked = context.forward.model.asked
    tried = {temperature: {row for at, row in asked if at == temperature} for temperature in SAID}
    assert len(asked) == 3 * 4 * len(tried[0.5])
    assert tried[0.5] == tried[1.0] == tried[2.0]
    return context.tally.values(), tried[0.5]


@pytest.mark.parametrize(("enough", "expected"), [(2, (0.5, 1.0, 0.5)), (4, (0.25, 0.75, 0.25))])
def test_samples_that_are_alike_or_wrong_are_out_of_balance(enough, expected):
    found, tried = measured(share=1.0, enough=enough)
    assert tried == set(range(PROMPTS))
    names = [f"balance_at_temperature_{at}" for at in ("0.5", "1", "2")]
    assert found == {name: pytest.approx(value) for name, value in zip(names, expected, strict=True)}


def test_it_is_tried_on_a_share_of_the_prompts_that_changes_with_the_round():
    tried = [
        measured(context=Context(Pool(range(PROMPTS), 1), round=round, forward=Forward()), share=0.3)[1]
        for round in (0, 0, 1)
    ]
    assert tried[0] == tried[1] != tried[2]
    assert all(4 < len(some) < 20 for some in tried)


def test_shards_try_what_the_whole_table_would():
    _, whole = measured(share=0.3)
    parts = [measured(TABLE.slice(start, 8), share=0.3) for start in range(0, PROMPTS, 8)]
    assert set().union(*(tried for _, tried in parts)) == whole


def test_where_no_prompt_is_tried_nothing_is_measured():
    assert measured(TABLE.slice(0, 0), share=1.0) == ({}, set())


@pytest.mark.parametrize("wrong", [{"temperatures": []}, {"share": 0.0}, {"share": 1.5}, {"n": 0}, {"enough": 0}])
def test_numbers_that_make_no_sense_are_refused(wrong):
    with pytest.raises(PipelineError):
        BalanceByTemperature(**wrong)
