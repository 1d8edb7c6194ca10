"""What breaks a rule, and by which it is counted."""

import pytest

from lit_iterative.columns import read
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Context
from lit_iterative.ops.language.score.rules import Rules
from lit_iterative.ops.language.testing import candidates
from lit_iterative.pool import Pool

TEXTS = ["1+2=3", "1", "1+2=3+4=7", "x+2=3", "1++2=3"]


def test_each_rule_is_counted_once():
    context = Context(Pool([0], 1))
    op = Rules(form="[0-9+=]+", forbidden=[r"\+\+", "="], shortest=2, longest=8)
    assert read(op(candidates(TEXTS), context), "scores.rules").tolist() == [0, 0, 0, 0, 0]
    assert context.tally.values() == {"too_short": 1, "too_long": 1, "other_form": 1, "forbidden": 2}


def test_what_breaks_none_passes():
    op = Rules(form="[0-9+=]+", forbidden=[r"\+\+"])
    assert read(op(candidates(TEXTS), Context(Pool([0], 1))), "scores.rules").tolist() == [1, 1, 1, 0, 0]


def test_prompts_can_be_looked_at():
    made = Rules("prompt", form="prompt [01]")(candidates(["a", "b", "c"], group=[0, 1, 2]), Context(Pool([0], 1)))
    assert read(made, "scores.rules").tolist() == [1, 1, 0]


def test_a_text_that_is_too_long_is_not_searched():
    op = Rules(forbidden=["a*a*a*a*a*b"], longest=100)
    assert read(op(candidates(["a" * 100_000]), Context(Pool([0], 1))), "scores.rules").tolist() == [0]


@pytest.mark.parametrize("options", [{"form": "("}, {"forbidden": ["(a+)+"]}, {"shortest": 5, "longest": 4}])
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises(PipelineError):
        Rules(**options)


def test_numbers_are_no_texts():
    with pytest.raises(DataError, match="candidate"):
        Rules("candidate")(candidates(["a"]), Context(Pool([0], 1)))
