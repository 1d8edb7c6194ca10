"""Comparisons: right, wrong, or not to be judged; and votes that agree with them."""

import random
from fractions import Fraction
from itertools import product
from typing import Any

import pytest

from lit_iterative.answers import Comparison, Exact, MultipleChoice, Numeric, WithUnits
from lit_iterative.errors import PipelineError
from lit_iterative.testing import parts

COMPARISONS: list[Comparison] = [
    *(Exact(), Exact(False, False), Numeric(), Numeric(0.0), WithUnits(), WithUnits(units="ignore"), MultipleChoice()),
]


@pytest.mark.parametrize(
    ("comparison", "found", "key", "verdict"),
    [
        (Exact(), " New  YORK", "new york", True),
        (Exact(), "STRASSE", "straße", True),
        (Exact(ignore_case=False), "A", "a", False),
        (Exact(ignore_space=False), "a ", "a", False),
        (Numeric(), "0.50", "1/2", True),
        (Numeric(), "50%", ".5", True),
        (Numeric(), "50%", "50", False),
        (Numeric(), "1,000", "1e3", True),
        (Numeric(), "0.33333333", "1/3", True),
        (Numeric(), "0.333", "1/3", False),
        (Numeric(relative=0.01), "0.333", "1/3", True),
        (Numeric(relative=0.0), "0.33333333", "1/3", False),
        (Numeric(absolute=1.0), "6", "5", True),
        (Numeric(absolute=1.0), "6.01", "5", False),
        (Numeric(), "five", "5", False),
        (Numeric(), "1e999999999", "5", False),
        (Numeric(), "5", "1e999999999", None),
        (Numeric(), "x + 1", "X  + 1", True),
        (Numeric(), "x + 1", "x + 2", None),
        (Numeric(), "0", "0", True),
        (Numeric(), "nan", "5", False),
        (WithUnits(), "5 kilometers", "5 km", True),
        (WithUnits(), "5", "5 km", True),
        (WithUnits(), "5 km", "5", True),
        (WithUnits(), "5 miles", "5 km", False),
        (WithUnits(), "6 km", "5 km", False),
        (WithUnits(), "$5.00", "5 dollars", True),
        (WithUnits(), "50%", "50", True),
        (WithUnits(), "5000 m", "5 km", False),
        (WithUnits(units="ignore"), "5 miles", "5 km", True),
        (WithUnits(), "a lot", "5 km", False),
        (WithUnits(), "blue", "Blue", True),
        (WithUnits(), "5", "blue", None),
        (MultipleChoice(), "(b)", "B", True),
        (MultipleChoice(), "b", "B", True),
        (MultipleChoice(), "The answer is C.", "(C) the sun", True),
        (MultipleChoice(), "A", "B", False),
        (MultipleChoice(), "none", "B", False),
        (MultipleChoice(), "B", "the sun", None),
        (MultipleChoice("AB"), "A", "C", None),
    ],
)
def test_verdicts(comparison: Comparison, found: str, key: str, verdict: bool | None) -> None:
    assert comparison(found, key) is verdict


def test_numbers_that_are_the_same_vote_together() -> None:
    names = {Numeric().canonical(text) for text in ("0.50", "1/2", "50%", ".5", r"\frac{1}{2}", "$0.5$", " 5e-1 ")}
    assert names == {"1/2"}
    assert Numeric().canonical("Half  of it") == Numeric().canonical("half of it") == "half of it"
    assert WithUnits().canonical("5 kilometers") == WithUnits().canonical("5km") == "5 km"
    assert WithUnits(units="ignore").canonical("5 km") == "5"
    assert MultipleChoice().canonical("Answer: (b)") == "B"
    assert Comparison.canonical(Exact(), " a  b ") == "a b"


@pytest.mark.parametrize("comparison", COMPARISONS, ids=repr)
def test_answers_that_vote_together_are_right_together(comparison: Comparison) -> None:
    texts = ["1/2", "0.5", "50%", "50", "5 km", "5 kilometers", "5", "B", "(b)", "Answer: B", "so", "So ", "$5", "1e3"]
    for one, other, key in product(texts, repeat=3):
        if comparison.canonical(one) == comparison.canonical(other):
            assert comparison(one, key) == comparison(other, key), (one, other, key)
            assert comparison(one, other) in (True, None)


def test_tolerances_are_as_the_formula_says() -> None:
    draw = random.Random(2)
    verdicts = set()
    for _ in range(500):
        key, found = (Fraction(draw.randrange(-99, 99), draw.randrange(1, 9)) for _ in range(2))
        relative, absolute = draw.random() * draw.choice([0, 1]), draw.random() * draw.choice([0, 9])
        distance = found - key if found > key else key - found
        limits = [Fraction(absolute), Fraction(relative) * (key if key > 0 else -key)]
        right = any(distance <= limit for limit in limits)
        assert Numeric(relative, absolute)(str(found), str(key)) is right
        verdicts.add(right)
    assert verdicts == {True, False}


HOSTILE = [
    "",
    "\x00",
    "\udc80",
    "9" * 100_000,
    "1/" * 50_000,
    "1e" * 50_000,
    "(" * 100_000,
    "\u0661" * 5000,
    "a " * 200_000,
]


@pytest.mark.parametrize("comparison", COMPARISONS, ids=repr)
def test_hostile_answers_raise_nothing(comparison: Comparison) -> None:
    for text in HOSTILE:
        assert comparison(text, "5") in (True, False, None)
        assert comparison("5", text) in (True, False, None)
        assert isinstance(comparison.canonical(text), str)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Numeric(relative=-1.0), r"Numeric\(relative\) is -1.0"),
        (lambda: Numeric(absolute=float("nan")), r"Numeric\(absolute\) is nan"),
        (lambda: WithUnits(absolute=float("inf")), r"WithUnits\(absolute\) is inf"),
        (lambda: WithUnits(units="si"), "Give 'match' or 'ignore'"),  # type: ignore[arg-type]
        (lambda: MultipleChoice("ab"), "capitals"),
    ],
)
def test_parameters_are_checked(make: Any, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        make()


@pytest.mark.parametrize("comparison", COMPARISONS, ids=repr)
def test_comparisons_are_parts_like_any_other(comparison: Comparison) -> None:
    parts.check_frozen(comparison)
    parts.check_spec(comparison)
    parts.check_yaml_round_trip(comparison, Comparison)
    parts.check_example(comparison)
