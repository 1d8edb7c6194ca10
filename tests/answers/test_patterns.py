"""Which regular expressions are refused."""

import re

import pytest

from lit_iterative.answers.patterns import compile_safe, last_match, repeats_a_repeat
from lit_iterative.errors import PipelineError

EXPLOSIVE = [
    *(
        "(a+)+$",
        "(a*)*b",
        "(a|a)*b",
        "(a|ab)*c",
        "((a+))+",
        "(?:a+){2,}",
        "(a+){3}",
        "(?P<x>a+)*",
        "([a-z]+)*",
        "(x(a+)y)+",
    ),
    *(r"(\d+,)*", r"([)]+)+", r"(\(+)+", "(a{1,})*"),
]
FINE = [
    *(
        "a+",
        "(a+)",
        "(a)+",
        "(a+)?",
        r"(\d{3},)*",
        "[(a+)+]",
        r"\(a+\)+",
        "(a|b)",
        "(a|b)?x+",
        "a|b+",
        "(ab)+",
        "(a+){1}",
    ),
    *(r"total: (\d+)", "", "[]+)]", "(a+)[*]"),
]


@pytest.mark.parametrize("regex", EXPLOSIVE)
def test_a_repeated_repeat_is_refused(regex: str) -> None:
    re.compile(regex)
    assert repeats_a_repeat(regex)
    with pytest.raises(PipelineError, match="can take for ever"):
        compile_safe(regex)


@pytest.mark.parametrize("regex", FINE)
def test_other_expressions_are_not(regex: str) -> None:
    assert not repeats_a_repeat(regex)
    assert compile_safe(regex).pattern == regex


def test_what_is_no_expression_is_told() -> None:
    with pytest.raises(PipelineError, match=r"'\(a' is not a regular expression"):
        compile_safe("(a")


def test_the_last_match_is_found() -> None:
    found = last_match(re.compile("[ab]"), "a b c")
    assert found is not None
    assert found.start() == 2
    assert last_match(re.compile("z"), "a b c") is None
