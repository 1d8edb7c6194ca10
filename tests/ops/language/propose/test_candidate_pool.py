"""Candidates of earlier rounds come back, each once."""

import pyarrow as pa
import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.ops import Context
from lit_iterative.ops.language.propose.candidate_pool import RecallCandidates, RememberCandidates
from lit_iterative.ops.language.testing import candidates
from lit_iterative.pool import Pool

COLUMNS = ["completion_ids", "text", "finish", "scores.correct"]


def drawn(texts, group=None, correct=0.0):
    return candidates(texts, group, **{"scores.correct": [correct] * len(texts)})


def context(round=0, ledger=None):
    return Context(Pool(range(9), 1), round=round, ledger=ledger)


def rounds(*tables):
    """Return what each round has once earlier ones are recalled."""
    ledger, made = None, []
    for round, table in enumerate(tables):
        made.append(RecallCandidates(COLUMNS)(table, context(round, ledger)))
        ledger = RememberCandidates(COLUMNS).remember(made[-1], context(round, ledger))
    return made


def test_all_that_was_ever_drawn_is_there():
    first, second, third = rounds(drawn(["a", "b"], correct=1.0), drawn(["c", "a"]), drawn(["d", "e", "x"], [0, 0, 1]))
    assert first["recalled"].to_pylist() == [False, False]
    assert second["text"].to_pylist() == ["c", "a", "b"]
    assert second["scores.correct"].to_pylist() == [0.0, 0.0, 1.0], "what was scored anew has its new score"
    assert third["text"].to_pylist() == ["d", "e", "c", "a", "b", "x"]
    assert third["group"].to_pylist() == [0, 0, 0, 0, 0, 1]
    assert third["candidate"].to_pylist() == [0, 1, 2, 3, 4, 0]
    assert third["recalled"].to_pylist() == [False, False, True, True, True, False]
    assert third["completion_ids"].to_pylist()[2] == [99, 2]
    assert third["prompt"].to_pylist() == ["prompt 0"] * 5 + ["prompt 1"]


def test_what_a_round_does_not_see_stays_in_the_pool():
    *_, last = rounds(drawn(["a"], [3]), drawn(["b"], [5]), drawn(["c", "d"], [3, 5]))
    assert list(zip(last["id"].to_pylist(), last["text"].to_pylist(), strict=True)) == [
        (3, "c"), (3, "a"), (5, "d"), (5, "b")
    ]  # fmt: skip


def test_a_cut_completion_and_a_whole_one_are_two():
    _, last = rounds(drawn(["a~"]), drawn(["a"]))
    assert last["finish"].to_pylist() == ["stop", "length"]


def test_rows_are_counted():
    asked = context(1, RememberCandidates(COLUMNS).remember(drawn(["a", "b"]), context()))
    RecallCandidates(COLUMNS)(drawn(["b"]), asked)
    assert asked.tally.values() == {"recalled": 1}


@pytest.mark.parametrize("op", [RecallCandidates, RememberCandidates])
@pytest.mark.parametrize("columns", [["text"], ["completion_ids", "completion_ids"]])
def test_tokens_must_be_kept(op, columns):
    with pytest.raises(PipelineError, match="completion_ids"):
        op(columns)


def test_an_empty_round_forgets_nothing():
    first = drawn(["a"])
    ledger = RememberCandidates(COLUMNS).remember(first, context())
    after = RememberCandidates(COLUMNS).remember(first.slice(0, 0), context(1, ledger))
    assert after.to_pylist() == ledger.to_pylist()
    assert isinstance(after, pa.Table)
