"""Encode against a tokenizer of characters, a tokenizer that joins them, and in a run of SPIN."""

import pyarrow as pa
import pytest

from lit_iterative.callbacks import PreferencePairs
from lit_iterative.datamodules import PromptData
from lit_iterative.errors import DataError
from lit_iterative.modules.objective import Objective
from lit_iterative.ops.context import Context
from lit_iterative.ops.language import Encode, GoldOwn
from lit_iterative.pool import Pool
from lit_iterative.rounds import When
from lit_iterative.testing.fake_language import FakeLanguage
from lit_iterative.testing.fixtures import FakeForward
from tests.ops.language.actors import ToldForward
from tests.projects.words import SAMPLING, policy, sums, trainer

CHAT = [{"role": "system", "content": "Add."}, {"role": "user", "content": "1+1"}]
ITEMS = [{"prompt": "12+7="}, {"prompt": CHAT}, {"prompt": "3+4="}]


def run(texts, ids=("b", "a", "c", "a"), model=None):
    context = Context(Pool(ITEMS, 1, ids=["a", "b", "c"]), forward=ToldForward({None: model or FakeLanguage()}))
    made = Encode()(pa.table({"id": list(ids), "gold": pa.array(texts, pa.string())}), context)
    return made["gold_ids"], context.tally.values()


def test_texts_are_encoded_with_one_end():
    ids, counts = run(["2", "19", None, "19"])
    assert ids.to_pylist() == [[ord("2"), 2], [ord("1"), ord("9"), 2], None, [ord("1"), ord("9"), 2]]
    assert ids.type == pa.list_(pa.int32())
    assert counts == {"not_given": 1, "joined_with_prompt": 0}


def test_candidates_of_a_prompt_may_be_given_different_ones():
    assert run(["2", "19", "7", "20"])[0].to_pylist()[1::2] == [[ord("1"), ord("9"), 2], [ord("2"), ord("0"), 2]]


class Joining(FakeLanguage):
    """Joins the end of a prompt and a digit in one token."""

    def encode_example(self, prompt, completion):
        before, after = super().encode_example(prompt, completion)
        return (before[:-1], [999, *after[1:]]) if completion[:1].isdigit() else (before, after)


def test_what_does_not_follow_the_tokens_of_the_prompt_is_left_out():
    ids, counts = run(["2", "x", None, "y"], model=Joining())
    assert ids.to_pylist() == [None, [ord("x"), 2], None, [ord("y"), 2]]
    assert counts == {"not_given": 1, "joined_with_prompt": 1}


def test_no_texts():
    context = Context(Pool(ITEMS, 1, ids=["a", "b", "c"]), forward=FakeForward())
    made = Encode("answer")(pa.table({"id": ["a"], "answer": pa.nulls(1)}), context)
    assert made["answer_ids"].to_pylist() == [None]
    with pytest.raises(DataError, match="'answer' has type int64"):
        Encode("answer")(pa.table({"id": ["a"], "answer": [19]}), context)


def test_spin(tmp_path):
    """The gold completion is preferred to the policy's own, in the tokens that an example of it has."""
    rounds = PreferencePairs([Encode("answer")], GoldOwn("answer"), n=2, sampling=SAMPLING, when=When())
    module = policy(objective=Objective("spin"))
    trainer(tmp_path, [rounds], max_epochs=2).fit(module, PromptData(sums(12), batch_size=4))
    for version in rounds.store.versions():
        rows = version.table().to_pylist()
        assert len(rows) > 6
        for row in rows:
            item = sums(12)[row["id"]]
            assert (row["prompt_ids"], row["chosen_ids"]) == module.encode_example(item["prompt"], item["answer"])
            assert row["chosen"] == item["answer"]
            assert row["rejected_ids"] != row["chosen_ids"]
