"""Hinted contexts, and a second try for what was not solved without them."""

from functools import partial

import pyarrow as pa
import pytest
import torch

from lit_iterative.callbacks import Rounds
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.generation.language import Sampling
from lit_iterative.ops import Context
from lit_iterative.ops.language.builders.known_pairs import ContrastivePrompts
from lit_iterative.ops.language.builders.reference import ReferenceLogProbs
from lit_iterative.ops.language.propose.hint import Contexts, Hint, filled
from lit_iterative.ops.language.propose.prompts import Prompts
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.pool import Pool
from lit_iterative.rounds.plan import Phase, When
from lit_iterative.testing.fake_language import FakeLanguage
from lit_iterative.testing.fixtures import FakeForward
from tests.projects.words import SAMPLING, data, policy, trainer

CODEC = FakeLanguage()


def context(prompts=("1+1=", "2+2=", "3+3=")) -> Context:
    return Context(Pool([{"prompt": prompt} for prompt in prompts], 1), forward=FakeForward())


def test_a_hint_is_read_and_the_prompt_stays():
    table = pa.table({"id": [0, 2], "prompt": ["1+1=", "3+3="], "answer": ["2", "6"], "prompt_ids": [[1], [2]]})
    made = Hint("{prompt}? {answer}! {prompt}")(table, context())
    texts = [CODEC.decode(ids) for ids in made["context_ids"].to_pylist()]
    assert texts == ["1+1=? 2! 1+1=", "3+3=? 6! 3+3="]
    assert made["hinted"].to_pylist() == [True, True]
    assert made.select(table.column_names).equals(table)


HOSTILE = "{answer} {} {0} {prompt.__class__} {prompt!r} %s $answer ${answer} {{prompt}} \\1 \\g<0>"


def test_hostile_prompts_are_taken_as_they_are():
    table = pa.table({"id": [0], "prompt": [HOSTILE], "answer": ["{prompt}"]})
    made = Hint("Q: {prompt} A: {answer}")(table, context())
    assert CODEC.decode(made["context_ids"][0].as_py()) == f"Q: {HOSTILE} A: {{prompt}}"


@pytest.mark.parametrize("place", ["{prompt.x}", "{prompt[0]}", "{prompt!r}", "{prompt:>9}", "{ prompt }", "{}"])
def test_places_are_names_and_nothing_more(place):
    assert filled(place, {"prompt": "secret"}) == place
    with pytest.raises(PipelineError, match=r"has no \{prompt\}"):
        Hint(place)


def test_of_a_chat_the_users_message_is_replaced():
    chat = [
        {"role": "system", "content": "Add."},
        {"role": "user", "content": "1+1="},
        {"role": "assistant", "content": "Well"},
    ]
    pool = Pool([{"prompt": chat}, {"prompt": chat[:1]}], 1)
    table = pa.table({"id": [0, 1], "prompt": ["1+1=", "Add."]})
    made = Hint("{prompt} Hint: 2")(table, Context(pool, forward=FakeForward()))
    texts = [CODEC.decode(ids) for ids in made["context_ids"].to_pylist()]
    assert texts == ["Add.\n1+1= Hint: 2\nWell", "Add. Hint: 2"]
    assert chat[1]["content"] == "1+1="


def test_numbers_are_written_out():
    table = pa.table({"id": [0], "prompt": ["1+1="], "answer": [2], "sure": [0.5]})
    made = Hint("{prompt}{answer} ({sure})")(table, context())
    assert CODEC.decode(made["context_ids"][0].as_py()) == "1+1=2 (0.5)"


def test_an_answer_that_is_missing_is_told():
    table = pa.table({"id": [0, 1], "prompt": ["1+1=", "2+2="], "answer": ["2", None]})
    with pytest.raises(DataError, match="'answer', which is empty in 1 of 2 rows"):
        Hint("{prompt} {answer}")(table, context())


def test_contexts_repeat_prompts():
    table = pa.table({"id": [0, 2], "prompt": ["1+1=", "3+3="], "answer": ["2", "6"]})
    made = Contexts({"good": "+{prompt}", "bad": "-{prompt}{answer}"})(table, context())
    assert made["group"].to_pylist() == made["id"].to_pylist() == [0, 0, 2, 2]
    assert made["context"].to_pylist() == ["good", "bad"] * 2
    assert [CODEC.decode(ids) for ids in made["context_ids"].to_pylist()] == ["+1+1=", "-1+1=2", "+3+3=", "-3+3=6"]


def test_one_context_is_no_contrast():
    with pytest.raises(PipelineError, match="at least two"):
        Contexts({"good": "{prompt}"})
    with pytest.raises(PipelineError, match=r"has no \{prompt\}"):
        Contexts({"good": "{prompt}", "bad": "No."})


def test_each_context_has_candidates_of_its_own():
    table = pa.table({"id": [0, 2], "prompt": ["1+1=", "3+3="]})
    same = {"good": "{prompt}", "bad": "{prompt}"}
    made = Sample(2, Sampling(max_new_tokens=9), context="context_ids")(Contexts(same)(table, context()), context())
    assert made["candidate"].to_pylist() == [0, 1, 2, 3] * 2
    assert len({(row["id"], row["text"]) for row in made.to_pylist()}) > 4  # not the same draws in both contexts
    once = Sample(4, Sampling(max_new_tokens=9))(Hint("{prompt}")(table, context()).rename_columns(
        ["id", "prompt", "prompt_ids", "hinted"]
    ), context())  # fmt: skip
    assert once["text"].to_pylist() == made["text"].to_pylist()


# ---- in a fit ---------------------------------------------------------------------------------------------


def test_contrastive_prompts_need_no_judge(tmp_path):
    contexts = {"positive": "{prompt}", "negative": "9+9+{prompt}"}
    ops = [
        Prompts(),
        Contexts(contexts),
        Sample(2, SAMPLING, context="context_ids"),
        ContrastivePrompts(truncated="keep"),
        ReferenceLogProbs(),
    ]
    torch.manual_seed(0)  # the order of the examples
    callback = Rounds([Phase(ops)], When(1, 1), shard_size=5)
    module = policy(optimizer=partial(torch.optim.SGD, lr=1e-3))
    trainer(tmp_path, [callback], max_epochs=2).fit(module, data(12))
    (version,) = callback.store.versions()
    table = version.table()
    assert table.num_rows >= 9
    assert set(table["context"].to_pylist()) == {"positive"}
    assert all(row["chosen_ids"] != row["rejected_ids"] for row in table.to_pylist())
