"""The rest of a round works on the prompts that were written in it."""

import pyarrow as pa
import pytest

from lit_iterative.errors import DataError
from lit_iterative.ops import Context
from lit_iterative.ops.language.propose.written_prompts import WrittenPrompts
from lit_iterative.pool import Pool
from lit_iterative.testing.fixtures import FakeForward

WRITTEN = pa.table(
    {
        "id": [4, 2, 9, 7],
        "written": pa.array([["ab", "c"], [], None, ["ab"]], pa.list_(pa.string())),
        "kept": [0.5, 0.25, 0.125, 1.0],
    }
)


def context():
    return Context(Pool(range(9), 1), forward=FakeForward())


def test_a_row_for_each_with_the_id_of_the_one_it_was_written_for():
    asked = context()
    made = WrittenPrompts(ending="=")(WRITTEN, asked)
    assert made.to_pylist() == [
        {"id": 4, "kept": 0.5, "prompt": "ab=", "prompt_ids": [1, 97, 98, 61]},
        {"id": 4, "kept": 0.5, "prompt": "c=", "prompt_ids": [1, 99, 61]},
        {"id": 7, "kept": 1.0, "prompt": "ab=", "prompt_ids": [1, 97, 98, 61]},
    ]
    assert asked.tally.values()["prompt_tokens"] == pytest.approx(11 / 3)


def test_a_prompt_as_long_as_the_context_is_refused(monkeypatch):
    monkeypatch.setattr("lit_iterative.testing.fake_language.FakeLanguage.context", 3)
    with pytest.raises(DataError, match="context"):
        WrittenPrompts()(WRITTEN, context())
