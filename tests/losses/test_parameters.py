"""Bounds of parameters."""

from inspect import signature

import pytest

from lit_iterative.errors import SetupError
from lit_iterative.losses.parameters import Bounds
from lit_iterative.losses.table import LOSSES, find_loss

WRONG = [
    ("dpo", {"beta": 0.0}, "beta=0.0. Give a number above 0"),
    ("dpo", {"beta": float("nan")}, "beta=nan. Give a number above 0"),
    ("dpo", {"beta": float("inf")}, "beta=inf"),
    ("dpo", {"beta": "0.1"}, "beta='0.1'. Give a number above 0"),
    ("dpo", {"beta": True}, "beta=True"),
    ("dpo", {"beta": None}, "beta=None"),
    ("dpo", {"label_smoothing": 0.1}, "no parameter 'label_smoothing'. It has: beta"),
    ("cdpo", {"label_smoothing": 0.5}, "Give a number 0 or more and below 0.5"),
    ("cdpo", {"label_smoothing": -0.1}, "Give a number 0 or more and below 0.5"),
    ("exo", {"label_smoothing": 0.0}, "Give a number above 0 and below 0.5"),
    ("f_alpha", {"alpha": 1.5}, "Give a number above 0 and 1 or less"),
    ("ipo", {"per_token": 1}, "per_token=1. Give true or false"),
    ("kto", {"baseline": 0.0}, "no parameter 'baseline'"),
    ("sft", {"beta": 0.1}, "no parameter 'beta'. It has: none"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), WRONG)
def test_wrong_arguments_are_told(name, arguments, message):
    with pytest.raises(SetupError) as caught:
        find_loss(name, arguments)
    assert message in str(caught.value)


def test_ends_of_bounds():
    bounds = Bounds(0, 1, open_low=True)
    assert [value in bounds for value in (0, 1e-9, 1, 1.1)] == [False, True, True, False]
    assert str(Bounds()) == "that is finite"


@pytest.mark.parametrize("name", LOSSES)
def test_defaults_are_in_their_own_bounds(name):
    parameters = signature(LOSSES[name].function).parameters.values()
    find_loss(name, {p.name: p.default for p in parameters if p.default is not p.empty})
