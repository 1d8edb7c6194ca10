import math

import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.ops import Steps
from lit_iterative.ops.parameters import check_choice, check_range, number, whole


def test_halves_are_rounded_up():
    assert [whole(value) for value in (0.5, 1.5, 2.5, 2.49, 7)] == [1, 2, 3, 2, 7]


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf])
def test_outside_of_the_bounds(value):
    with pytest.raises(PipelineError, match="from 0 to 1"):
        check_range("Op(x)", value, 0, 1)


def test_words_are_among_the_choices():
    check_choice("Op(x)", "b", ("a", "b"))
    with pytest.raises(PipelineError, match=r"Op\(x\) is 'c'. Give one of: a, b."):
        check_choice("Op(x)", "c", ("a", "b"))


def test_open_bounds():
    check_range("Op(x)", 1e-9, 0, open_low=True)
    with pytest.raises(PipelineError, match=r"Op\(x\) is 0. Give a number above 0\."):
        check_range("Op(x)", 0, 0, open_low=True)


def test_no_bounds():
    check_range("Op(x)", -5.0)
    check_range("Op(x)", -5.0, high=0)


def test_schedules_and_nothing_are_not_checked():
    check_range("Op(x)", None, 0, 1)
    check_range("Op(x)", Steps([5.0]), 0, 1)


def test_an_unresolved_schedule_is_no_number():
    with pytest.raises(PipelineError, match=r"op\.at"):
        number(Steps([5.0]))
