import pyarrow as pa
import pytest

from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.propose.prompts import Prompts
from lit_iterative.pool import Pool
from lit_iterative.testing.fixtures import FakeForward

CHAT = [{"role": "system", "content": "Add."}, {"role": "user", "content": "1+1"}]
ITEMS = [
    {"prompt": "12+7=", "answer": "19", "level": 2},
    {"prompt": CHAT, "answer": None, "level": 1.5},
    {"prompt": "3+4=", "answer": "7", "level": None},
]


def context(items=ITEMS, ids=("a", "b", "c")):
    return Context(Pool(items, 1, ids=list(ids)), forward=FakeForward())


def shard(*ids):
    return pa.table({"id": list(ids)})


def test_prompts_are_read_by_id_and_encoded():
    made = Prompts()(shard("c", "b"), context())
    assert made.column_names == ["id", "prompt", "prompt_ids"]
    assert made["prompt"].to_pylist() == ["3+4=", "1+1"]
    assert made["prompt_ids"].to_pylist() == [[1, *map(ord, "3+4=")], [1, *map(ord, "Add.\n1+1")]]
    assert made.schema.field("prompt_ids").type == pa.list_(pa.int32())


def test_only_named_fields_can_be_seen_and_empty_ones_stay_empty():
    made = Prompts(["answer"])(shard("a", "b"), context())
    assert made.column_names == ["id", "prompt", "prompt_ids", "answer"]
    assert made["answer"].to_pylist() == ["19", None]


def test_a_field_has_one_type_in_every_shard():
    # the first shard has whole numbers alone, the second fractions, the third nothing
    op = Prompts(["level", "answer"])
    shards = list(op.map([shard("a"), shard("b"), shard("c")], context()))
    assert {str(made.schema.field("level").type) for made in shards} == {"double"}
    assert {str(made.schema.field("answer").type) for made in shards} == {"string"}
    joined = pa.concat_tables(shards)
    assert joined["level"].to_pylist() == [2.0, 1.5, None]
    assert op(shard("a"), context())["level"].to_pylist() == [2.0]


def test_a_field_that_is_always_empty_is_a_text():
    items = [{"prompt": "1", "answer": None}, {"prompt": "2", "answer": None}]
    made = Prompts(["answer"])(shard("a"), context(items, "ab"))
    assert made.schema.field("answer").type == pa.string()


def test_lengths_are_measured():
    given = context()
    Prompts()(shard("a", "c"), given)
    assert given.tally.values() == {"prompt_tokens": 5.5}


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([{"prompt": "1"}], r"has \['prompt'\], but Prompts reads \['answer', 'prompt'\].*fields="),
        ([{"answer": "1"}], r"has \['answer'\]"),
        (["1+1="], "has str, but"),
        ([{"prompt": "1", "answer": "1"}, {"prompt": "2", "answer": 2}], "'answer' has values of several types"),
    ],
)
def test_items_that_do_not_fit_name_the_remedy(items, message):
    with pytest.raises(DataError, match=message):
        Prompts(["answer"])(shard("a"), context(items, "ab"[: len(items)]))


def test_columns():
    assert Prompts(["answer"]).requires == ("id",)
    assert Prompts(["answer"]).provides == ("prompt", "prompt_ids", "answer")
