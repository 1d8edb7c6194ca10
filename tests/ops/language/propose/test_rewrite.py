"""Texts that are written from a template of what was written before."""

import pyarrow as pa
import pytest

from lit_iterative.columns import write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.generation.language import Sampling
from lit_iterative.ops import Context
from lit_iterative.ops.actors import Ensemble, Initial, Policy
from lit_iterative.ops.language.propose.rewrite import Rewrite
from lit_iterative.ops.language.testing import candidates
from lit_iterative.pool import Pool
from lit_iterative.seeds import derive_seed
from lit_iterative.testing.fake_language import FakeLanguage
from lit_iterative.testing.fixtures import FakeForward

SHORT = Sampling(max_new_tokens=6)
MODEL = FakeLanguage()


def context(**options) -> Context:
    return Context(Pool(range(9), 1), forward=FakeForward(), **options)


def drafts() -> pa.Table:
    return candidates(["7", "9", "4~"], [0, 0, 1], **{"scores.correct": [1, 0, 0]})


def written(text: str, id: int, candidate: int, stream: str = "text", round: int = 0) -> str:
    """Return what the policy writes behind a text, as its number in the prompt decides."""
    seed = derive_seed(0, stream, round, str(id), candidate)
    return MODEL.decode(MODEL.generate([MODEL.encode(text)], [seed], SHORT)[0].ids)


def test_what_is_written_has_tags_of_its_own():
    table = write(drafts(), language=pa.array(["x", "x", "y"]), other=pa.array(["p", "q", "r"]))
    made = Rewrite("{text}>", sampling=SHORT, keep=True, tags={"language": "other"})(table, context())
    assert made["language"].to_pylist() == ["x", "p", "x", "q", "y", "r"]
    assert Rewrite("{text}>", tags={"language": "other"}).requires == ("group", "text", "language", "other")


def test_a_critique_stands_beside_what_it_is_of():
    made = Rewrite("{prompt}|{text}?", "critique", sampling=SHORT)(drafts(), context())
    assert made.drop_columns(["critique", "critique_finish"]).to_pylist() == drafts().to_pylist()
    filled = [("prompt 0|7?", 0, 0), ("prompt 0|9?", 0, 1), ("prompt 1|4?", 1, 0)]
    assert made["critique"].to_pylist() == [written(*row, stream="critique") for row in filled]
    ends = [len(text) < 6 for text in made["critique"].to_pylist()]  # EOS is no part of the text
    assert [finish == "stop" for finish in made["critique_finish"].to_pylist()] == ends


def test_a_revision_becomes_the_candidate():
    told = context(round=3)
    made = Rewrite("{text}!", sampling=SHORT)(drafts(), told)
    texts = [written("7!", 0, 0, round=3), written("9!", 0, 1, round=3), written("4!", 1, 0, round=3)]
    assert made["text"].to_pylist() == texts
    assert [MODEL.decode(ids) for ids in made["completion_ids"].to_pylist()] == texts
    ends = [ids[-1:] == [2] for ids in made["completion_ids"].to_pylist()]
    assert [finish == "stop" for finish in made["finish"].to_pylist()] == ends
    assert made["prompt_ids"].to_pylist() == drafts()["prompt_ids"].to_pylist()
    assert made["scores.correct"].to_pylist() == [1, 0, 0]
    assert told.tally.values()["candidates"] == 3


def test_several_are_numbered_in_their_group():
    made = Rewrite("{text}!", n=2, sampling=SHORT)(drafts(), context())
    assert made["candidate"].to_pylist() == [0, 1, 2, 3, 0, 1]
    assert made["group"].to_pylist() == [0, 0, 0, 0, 1, 1]
    rows = [("7!", 0, 0), ("7!", 0, 1), ("9!", 0, 2), ("9!", 0, 3), ("4!", 1, 0), ("4!", 1, 1)]
    assert made["text"].to_pylist() == [written(*row) for row in rows]


def test_drafts_stay_in_front_of_what_was_written_from_them():
    actor = Ensemble([Initial(), Policy()])
    made = Rewrite("{text}!", n=2, sampling=SHORT, actor=actor, keep=True)(drafts(), context())
    assert made["text"].to_pylist()[::3] == ["7", "9", "4"]
    assert made["source"].to_pylist() == ["Policy", "Ensemble", "Ensemble"] * 3
    assert made["candidate"].to_pylist() == [0, 1, 2, 3, 4, 5, 0, 1, 2]
    alone = Rewrite("{text}!", n=2, sampling=SHORT, actor=actor)(drafts(), context())
    rewritten = [row for place, row in enumerate(made.to_pylist()) if place % 3]
    assert [row["completion_ids"] for row in rewritten] == alone["completion_ids"].to_pylist()


def test_rows_of_several_groups_of_one_input():
    table = write(drafts(), id=pa.array([5, 5, 5]))
    made = Rewrite("{text}!", sampling=SHORT)(table, context())
    assert made["group"].to_pylist() == [0, 0, 1]
    assert made["text"].to_pylist() == [written("7!", 5, 0), written("9!", 5, 1), written("4!", 5, 2)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"template": "Write."}, "has no place"),
        ({"template": "{text}", "n": 0}, "at least one text"),
        ({"template": "{text}", "column": "critique", "keep": True}, "beside those"),
    ],
)
def test_parameters(options, message):
    with pytest.raises(PipelineError, match=message):
        Rewrite(**options)


def test_an_empty_cell_is_told():
    table = write(drafts(), critique=pa.array(["a", None, "b"]))
    with pytest.raises(DataError, match="'critique', which is empty in 1 of 3 rows"):
        Rewrite("{text}{critique}")(table, context())
