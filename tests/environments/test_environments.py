"""Worlds that answer: a calculator, a second attempt, a house of rooms."""

import ast
import operator
import random
from fractions import Fraction

import pytest

from lit_iterative.environments import Calculator, Retry, Rooms, Step
from lit_iterative.environments.arithmetic import value_of, written
from lit_iterative.environments.rooms import STEPS, beside
from lit_iterative.errors import DataError, PipelineError

OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def oracle(node: ast.expr) -> Fraction:
    """Work out a term as Python reads it."""
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](oracle(node.left), oracle(node.right))
    if isinstance(node, ast.UnaryOp):
        return -oracle(node.operand)
    assert isinstance(node, ast.Constant)
    return Fraction(str(node.value))


def term(draw: random.Random, depth: int) -> str:
    if depth == 0 or draw.random() < 0.2:
        return draw.choice([str(draw.randrange(20)), f"{draw.randrange(9)}.{draw.randrange(1, 9)}"])
    kind = draw.choice(["({})", "-{}", "{}+{}", "{} - {}", "{}*{}", "{}/{}"])
    return kind.format(*(term(draw, depth - 1) for _ in range(kind.count("{}"))))


@pytest.mark.parametrize("seed", range(40))
def test_terms_are_worked_out_as_python_does(seed):
    text = term(random.Random(seed), 3)
    try:
        wanted = oracle(ast.parse(text, mode="eval").body)
    except ZeroDivisionError:
        wanted = None
    assert value_of(text) == wanted, text


@pytest.mark.parametrize(
    "text", ["", " ", "1+", "*2", "(1", "1)", "1 2", "2**3", "x", "1/0", "__import__", "((((", "9" * 201]
)
def test_what_is_no_term_has_no_value(text):
    assert value_of(text) is None


def test_values_as_people_write_them():
    assert [written(Fraction(text)) for text in ("12", "-3", "1/4", "2/3")] == ["12", "-3", "0.25", "0.6666666667"]


def observations(episode, actions):
    return [episode.step(action).observation for action in actions]


def test_a_calculator_answers_the_last_call_of_a_turn():
    episode = Calculator().reset({}, 0)
    said = [
        "so <calculator>2*(3+4)</calculator>",
        "<calculator>1<calculator>+1</calculator>",
        "<calculator>x</calculator>",
    ]
    assert observations(episode, said) == ["14", "15", "error"]
    assert episode.step("<calculator>1+1") == Step(done=True)
    assert episode.step("1+1</calculator>") == Step(done=True)


def test_a_pocket_calculator_goes_on_from_its_last_value():
    episode = Calculator("", "=", "?").reset({}, 0)
    assert observations(episode, ["9+7=", "+5=", "++=", "-1=", "4=", "+1=+1="]) == ["16", "21", "?", "20", "4", "5"]
    assert Calculator("", "=", "?").reset({}, 0).step("+5=").observation == "?"
    with pytest.raises(PipelineError, match="no call would end"):
        Calculator(end="")


def test_attempts_go_on_until_one_is_right():
    episode = Retry("again\n").reset({"answer": 12}, 0)
    assert [episode.step(said) for said in ("none", "13", "it is 12")] == [
        Step("again\n", reward=0.0),
        Step("again\n", reward=0.0),
        Step(done=True, reward=1.0),
    ]
    assert Retry().reset({"answer": None}, 0).step("12") == Step(done=True)


@pytest.mark.parametrize("side", [2, 3, 9])
@pytest.mark.parametrize("seed", range(8))
def test_the_lamp_is_always_to_be_found(side, seed):
    house = Rooms(side)
    visit = house.reset({"prompt": "lamp b1\n"}, seed)
    actions = visit.shortest()
    steps = [visit.step(action) for action in actions]
    assert [step.done for step in steps] == [False] * (len(steps) - 1) + [True]
    assert sum(step.reward for step in steps) == 1
    again = house.reset({"prompt": "lamp b1\n"}, seed)
    assert [again.step(action) for action in actions] == steps


def test_doors_lead_both_ways_and_no_way_is_shorter_than_the_shortest():
    visit = Rooms(4).reset({"prompt": "lamp d4"}, 3)
    opposite = {"n": "s", "s": "n", "e": "w", "w": "e"}
    for room, ways in visit._doors.items():
        assert all(opposite[way] in visit._doors[beside(room, way)] for way in ways)
    distance = {visit._lamp: 0}
    for _ in range(16):  # Bellman and Ford
        for room, ways in visit._doors.items():
            for way in ways:
                near = distance.get(beside(room, way), 99) + 1
                distance[room] = min(distance.get(room, 99), near)
    assert len(visit.shortest()) == distance[visit._room] + 1


def test_what_makes_no_sense_changes_nothing():
    visit = Rooms(3).reset({"prompt": "lamp a1"}, 0)
    seen = visit.opening
    walls = [way for way in STEPS if way not in seen.split()[1]]
    for said in ["", "up", "take it", "nn", "\n", *walls]:
        assert visit.step(said) == Step(seen, reward=0.0)
    assert visit.step("take") == Step("no lamp\n", reward=0.0)


def test_a_lamp_that_is_nowhere_is_told():
    with pytest.raises(DataError, match="names none of a1, b1, a2, b2"):
        Rooms(2).reset({"prompt": "lamp c1"}, 0)
    with pytest.raises(PipelineError, match="2 to 9"):
        Rooms(1)
