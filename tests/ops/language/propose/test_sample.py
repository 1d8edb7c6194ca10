from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.generation.forward import Member
from lit_iterative.generation.language import Sampling, TokenScores
from lit_iterative.ops.actors import Ensemble, Initial, Policy, Previous
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.propose.sample import GAP_ROWS, Sample, measure_gap
from lit_iterative.ops.language.tokens import int_lists
from lit_iterative.ops.tally import Tally
from lit_iterative.pool import Pool
from lit_iterative.testing.fake_language import EOS, FakeLanguage
from lit_iterative.testing.fixtures import FakeForward

SAMPLING = Sampling(max_new_tokens=6)
PROMPTS = {"id": ["a", "b", "c"], "prompt_ids": int_lists([[1, 50], [1, 51, 52], [1]]), "answer": ["x", "y", "z"]}
TABLE = pa.table(PROMPTS)


def context(round=0, seed=0):
    return Context(Pool([0, 1, 2], 1, ids=["a", "b", "c"]), round=round, seed=seed, forward=FakeForward())


def sample(table=TABLE, n=4, context=None, **options):
    return Sample(n, SAMPLING, **options)(table, context or globals()["context"]())


def drawn(table):
    return table["completion_ids"].to_pylist()


def test_every_prompt_has_its_candidates_together():
    made = sample()
    assert made["group"].to_pylist() == ["a"] * 4 + ["b"] * 4 + ["c"] * 4
    assert made["candidate"].to_pylist() == [0, 1, 2, 3] * 3
    assert made["id"].to_pylist() == made["group"].to_pylist()
    assert made["prompt_ids"].to_pylist() == [row for row in TABLE["prompt_ids"].to_pylist() for _ in range(4)]
    assert made["answer"].to_pylist() == [row for row in PROMPTS["answer"] for _ in range(4)]
    assert made.schema.field("candidate").type == pa.int32()
    assert made.schema.field("completion_ids").type == pa.list_(pa.int32())
    assert set(made["source"].to_pylist()) == {"Policy"}
    assert set(Sample().provides) <= set(made.column_names)


def test_tokens_ends_and_texts_are_those_of_the_model():
    made, model = sample(n=8), FakeLanguage()
    for ids, finish, text in zip(drawn(made), made["finish"].to_pylist(), made["text"].to_pylist(), strict=True):
        assert (finish == "stop") == (ids[-1] == EOS)
        assert finish == "stop" or len(ids) == 6
        assert text == model.decode(ids)
    assert set(made["finish"].to_pylist()) == {"stop", "length"}


def test_a_draw_depends_on_seed_round_prompt_and_number_alone():
    whole = drawn(sample())
    parts = [drawn(sample(TABLE.slice(row, 1))) for row in (2, 0, 1)]
    assert parts[1] + parts[2] + parts[0] == whole
    assert drawn(sample(n=2))[:2] == whole[:2]
    assert drawn(sample(TABLE.take([2, 0, 1])))[4:8] == whole[:4]
    for other in (sample(context=context(round=1)), sample(context=context(seed=1)), sample(stream="again")):
        assert sum(a == b for a, b in zip(drawn(other), whole, strict=True)) <= 2
    assert len({tuple(ids) for ids in whole}) >= 10


def test_ids_that_look_alike_draw_apart():
    # the prompt is the same; 1 and "1" are one prompt, 1 and 11 are not
    same = {"prompt_ids": int_lists([[1, 50]])}
    one, text, eleven = (drawn(sample(pa.table({"id": [key], **same}))) for key in (1, "1", 11))
    assert one == text
    assert one != eleven


def test_candidates_are_dealt_out_to_the_members_in_turn():
    class Telling(FakeForward):
        def language(self, member):
            asked.append(member)
            return super().language(member)

    asked = []
    actor = Ensemble([Policy(), Initial(), Previous()])
    given = replace(context(), forward=Telling())
    made = drawn(sample(n=4, actor=actor, context=given))
    assert asked[:3] == [Member(), Member("initial"), Member("previous")]
    alone = {member: drawn(sample(n=4, actor=member)) for member in actor.actors}
    for row in range(3):
        expected = [alone[actor.actors[number % 3]][4 * row + number] for number in range(4)]
        assert made[4 * row : 4 * row + 4] == expected
    assert Counter(sample(n=2, actor=actor)["source"].to_pylist()) == {"Ensemble": 6}


def test_more_members_than_candidates():
    assert len(drawn(sample(n=1, actor=Ensemble([Policy(), Initial()])))) == 3


def test_another_column_can_be_continued():
    hinted = TABLE.append_column("hinted_ids", int_lists([[1, 90], [1, 91], [1, 92]]))
    made = Sample(4, SAMPLING, context="hinted_ids")(hinted, context())
    plain = TABLE.set_column(1, "prompt_ids", hinted["hinted_ids"])
    assert drawn(made) == drawn(sample(plain))
    assert made["prompt_ids"].to_pylist()[0] == [1, 50]
    assert Sample(context="hinted_ids").requires == ("hinted_ids",)


def test_counts():
    given = context()
    made = sample(n=8, context=given)
    lengths = [len(ids) for ids in drawn(made)]
    cut = made["finish"].to_pylist().count("length")
    expected = {"candidates": 24, "completion_tokens": sum(lengths) / 24, "truncated_share": cut / 24}
    assert given.tally.values() == pytest.approx(expected)


def test_an_empty_shard():
    made = sample(TABLE.slice(0, 0))
    assert made.num_rows == 0
    assert made.schema.equals(sample().schema, check_metadata=False)


def test_shards_one_after_another_are_told_of():
    told = []
    given = replace(context(), progress=lambda done, rows: told.append((done, rows)))
    made = list(Sample(2, SAMPLING).map([TABLE.slice(0, 2), TABLE.slice(2)], given))
    assert [table.num_rows for table in made] == [4, 2]
    assert told == [(2, 3), (3, 3)]


def test_no_candidates_are_refused():
    with pytest.raises(PipelineError, match=r"Sample\(n\) is 0"):
        Sample(0)


def test_the_gap_between_engine_and_trainer_is_measured_on_a_few_completions():
    model, tally = FakeLanguage(), Tally()
    prompts = [[1, 50 + number] for number in range(GAP_ROWS + 2)]
    plain = model.generate(prompts, list(range(len(prompts))), SAMPLING)
    measure_gap(tally, model, prompts, plain)
    assert tally.values() == {}  # the engine tells nothing
    scores = model.log_probs(prompts, [completion.ids for completion in plain])
    told = [replace(plain[0]), *(
        replace(completion, scores=TokenScores(score.log_probs + (0.5 if number <= GAP_ROWS else 99)))
        for number, (completion, score) in enumerate(zip(plain[1:], scores[1:], strict=True), start=1)
    )]  # fmt: skip
    measure_gap(tally, model, prompts, told)
    assert tally.values()["engine_gap"] == pytest.approx(0.5, abs=1e-6)
