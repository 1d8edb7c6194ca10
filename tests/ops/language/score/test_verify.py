"""Verifiers: right, wrong, abstaining, and raising."""

import math
from typing import Any

import pyarrow as pa
import pytest

from lit_iterative.answers import MultipleChoice
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Context, Op
from lit_iterative.ops.language.score.verify import Verify, VerifyWith, keys_as_text
from lit_iterative.pool import Pool
from tests.ops.language.judges import Fussy, says


def score(op: Op, **columns: Any) -> tuple[list[float | None], dict[str, float]]:
    """Return the scores, NaN as None, and what was measured."""
    context = Context(Pool([0], 1))
    rows = len(next(iter(columns.values())))
    made = op(pa.table({"id": range(rows), **columns}), context)
    assert made.schema.field("scores.correct").type == pa.float64()
    scores = [None if math.isnan(value) else value for value in made.column("scores.correct").to_pylist()]
    return scores, context.tally.values()


def test_no_answer_is_wrong_and_no_key_abstains() -> None:
    scores, measured = score(Verify(), final=["1/2", "2", None, "7", None], answer=["0.5", "3", "3", None, None])
    assert scores == [1.0, 0.0, 0.0, None, None]
    assert measured == {"verifier_errors": 0, "no_key": 2, "not_judged": 0, "correct": pytest.approx(1 / 3)}


@pytest.mark.parametrize(
    "keys",
    [pa.array([19, 20, None]), pa.array([19.0, 20.0, math.nan]), pa.array(["19", "20", None]).dictionary_encode()],
)
def test_keys_may_be_numbers(keys: pa.Array) -> None:
    assert score(Verify(), final=["19", "19.5", "1"], answer=keys)[0] == [1.0, 0.0, None]


def test_another_comparison_and_another_key() -> None:
    scores, measured = score(
        Verify(MultipleChoice(), key="letter"), final=["(b)", "A", "C"], letter=["B", "B", "seven"]
    )
    assert scores == [1.0, 0.0, None]
    assert measured["not_judged"] == 1


def test_a_verifier_that_raises_abstains() -> None:
    scores, measured = score(Verify(Fussy()), final=["raise", "abstain", "1", "2"], answer=["1"] * 4)
    assert scores == [None, None, 1.0, 0.0]
    assert measured == {"verifier_errors": 1, "no_key": 0, "not_judged": 2, "correct": 0.5}


def test_a_verifier_that_always_raises_is_told() -> None:
    with pytest.raises(DataError, match=r"raises on all 2 rows .* id 1: ZeroDivisionError: fussy. Repair it"):
        score(Verify(Fussy()), final=[None, "raise", "raise"], answer=["1"] * 3)


def test_what_is_no_key_is_told() -> None:
    with pytest.raises(DataError, match=r"no column 'answer' of right answers.*Prompts\(fields=\['answer'\]\)"):
        score(Verify(), final=["1"])
    with pytest.raises(DataError, match="has the type list"):
        score(Verify(), final=["1"], answer=[["1"]])
    assert keys_as_text(pa.table({"k": [True, False]}), "k") == ["True", "False"]


def test_scores_of_a_function() -> None:
    words = ["true", "half", "abstain", "nan", "inf", "raise"]
    scores, measured = score(VerifyWith(says, ["says"]), text=["x"] * 6, says=words)
    assert scores == [1.0, 0.5, None, None, None, None]
    assert measured == {"verifier_errors": 2, "not_judged": 4, "correct": 0.75}


def test_a_function_sees_what_it_names_and_the_id() -> None:
    seen = []

    def look(text: str, row: dict[str, Any]) -> bool:
        seen.append((text, row))
        return True

    look.__qualname__ = "look"
    score(VerifyWith(look, ["a"]), text=["x"], a=["y"], b=["z"])
    assert seen == [("x", {"id": 0, "a": "y"})]


def test_a_function_without_a_name_is_refused() -> None:
    with pytest.raises(PipelineError, match="no import path"):
        VerifyWith(lambda text, row: True)


def test_a_function_that_always_raises_is_told() -> None:
    with pytest.raises(DataError, match="RuntimeError: no such thing"):
        score(VerifyWith(says, ["says"]), text=["x"], says=["raise"])
