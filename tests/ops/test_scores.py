"""Scores against sums written out in float64."""

import math

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import read
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Agreement, Confidence, Energy, Entropy, Linear, Margin, MutualInformation
from lit_iterative.ops.testing import example

SCORES = {
    "scores.confidence": Confidence(),
    "scores.margin": Margin(),
    "scores.entropy": Entropy(),
    "scores.energy": Energy(),
    "scores.mutual_information": MutualInformation(),
    "scores.agreement": Agreement(),
}


def table_of(rows: int, classes: int = 5, members: int = 4, seed: int = 0) -> pa.Table:
    draw = np.random.default_rng(seed)
    each = draw.dirichlet(np.full(classes, 0.5), (rows, members)).astype(np.float32)
    return example(
        id=np.arange(rows),
        probs=each.mean(axis=1),
        logits=draw.normal(0, 5, (rows, classes)),
        members=each.reshape(rows, -1),
    )


def entropy_of(probs) -> float:
    return -sum(p * math.log(p) for p in map(float, probs) if p > 0)


def oracle(name: str, table: pa.Table, row: int) -> float:
    probs = [float(p) for p in read(table, "probs")[row]]
    classes = len(probs)
    flat = [float(p) for p in read(table, "members")[row]]
    members = [flat[start : start + classes] for start in range(0, len(flat), classes)]
    if name == "scores.confidence":
        return max(probs)
    if name == "scores.margin":
        first, second, *_ = sorted(probs, reverse=True)
        return first - second
    if name == "scores.entropy":
        return entropy_of(probs)
    if name == "scores.energy":
        return -math.log(sum(math.exp(float(z)) for z in read(table, "logits")[row]))
    if name == "scores.mutual_information":
        mean = [sum(member[c] for member in members) / len(members) for c in range(classes)]
        return entropy_of(mean) - sum(map(entropy_of, members)) / len(members)
    votes = [member.index(max(member)) for member in members]
    return max(votes.count(c) for c in range(classes)) / len(members)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("rows", [1, 50])
def test_every_row_has_the_score_of_the_formula(name, rows):
    table = table_of(rows)
    result = read(SCORES[name](table, None), name)
    assert result.dtype == np.float32
    assert result.shape == (rows,)
    expected = [oracle(name, table, row) for row in range(rows)]
    np.testing.assert_allclose(result, expected, rtol=2e-7, atol=2e-7)


@pytest.mark.parametrize("name", SCORES)
def test_no_rows_give_no_scores_of_the_same_type(name):
    full, empty = table_of(3), table_of(3).slice(0, 0)
    op = SCORES[name]
    assert op(empty, None).schema == op(full, None).schema
    assert op(empty, None).num_rows == 0


@pytest.mark.parametrize("name", SCORES)
def test_only_the_declared_column_is_added_and_nothing_else_is_needed(name):
    op, table = SCORES[name], table_of(3)
    assert op.provides == (name,)
    result = op(table.select(["id", *op.requires]), None)
    assert result.column_names == ["id", *op.requires, name]


def test_certain_and_even_predictions_reach_the_ends_of_each_scale():
    table = example(probs=[[1.0, 0.0, 0.0, 0.0], [0.25] * 4])
    assert read(Margin()(table, None), "scores.margin").tolist() == [1.0, 0.0]
    assert read(Entropy(normalised=True)(table, None), "scores.entropy").tolist() == [0.0, 1.0]


def test_a_tie_for_the_lead_has_no_margin():
    assert read(Margin()(example(probs=[[0.4, 0.2, 0.4]]), None), "scores.margin").tolist() == [0.0]


def test_entropy_is_divided_by_its_largest_value():
    table = table_of(20)
    plain, normalised = (read(Entropy(n)(table, None), "scores.entropy") for n in (False, True))
    np.testing.assert_allclose(normalised, plain / math.log(5), rtol=3e-7)


def test_a_probability_just_below_zero_adds_no_entropy():
    score = read(Entropy()(example(probs=[[-1e-4, 1.0]]), None), "scores.entropy")
    assert score.tolist() == [0.0]


@pytest.mark.parametrize(("op", "classes"), [(Margin(), 1), (Entropy(normalised=True), 1)])
def test_a_single_class_is_refused(op, classes):
    with pytest.raises(DataError, match="one column for each class"):
        op(example(probs=[[1.0]]), None)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_energy_at_a_temperature(temperature):
    logits = [1.0, -2.0, 0.5]
    result = read(Energy(temperature)(example(logits=[logits]), None), "scores.energy")
    expected = -temperature * math.log(sum(math.exp(z / temperature) for z in logits))
    np.testing.assert_allclose(result, [expected], rtol=2e-7)


def test_energy_of_large_logits_neither_overflows_nor_vanishes():
    logits = [[1e4, 0.0], [-1e4, -1e4], [3e38, 0.0]]
    result = read(Energy()(example(logits=logits), None), "scores.energy")
    np.testing.assert_allclose(result, [-1e4, 1e4 - math.log(2), -3e38], rtol=1e-6)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_energy_refuses_a_temperature_that_is_not_above_zero(temperature):
    with pytest.raises(PipelineError, match="temperature"):
        Energy(temperature)


def test_energy_follows_a_schedule():
    table = example(logits=[[0.0, 0.0]])
    scheduled = Energy(Linear(1.0, 3.0, rounds=2)).at(1, {})
    assert (
        read(scheduled(table, None), "scores.energy").tolist()
        == read(Energy(2.0)(table, None), "scores.energy").tolist()
    )


def test_equal_members_carry_no_information_and_agree():
    member = np.random.default_rng(1).dirichlet(np.ones(7), 200).astype(np.float32)
    table = example(probs=member, members=np.tile(member, 3))
    information = read(MutualInformation()(table, None), "scores.mutual_information")
    assert (information >= 0).all()
    assert information.max() < 1e-12
    assert (read(Agreement()(table, None), "scores.agreement") == 1).all()


def test_opposite_members_carry_all_information():
    table = example(probs=[[0.5, 0.5]], members=[[1.0, 0.0, 0.0, 1.0]])
    information = read(MutualInformation()(table, None), "scores.mutual_information")
    np.testing.assert_allclose(information, [math.log(2)], rtol=1e-7)


def test_a_member_in_doubt_votes_for_the_first_class():
    table = example(probs=[[0.5, 0.5]], members=[[0.5, 0.5, 0.9, 0.1, 0.2, 0.8]])
    np.testing.assert_allclose(read(Agreement()(table, None), "scores.agreement"), [2 / 3], rtol=1e-7)


@pytest.mark.parametrize("op", [MutualInformation(), Agreement()])
def test_members_must_fit_the_classes_and_be_several(op):
    probs = [[0.5, 0.25, 0.25]]
    with pytest.raises(DataError, match="no multiple of the 3"):
        op(example(probs=probs, members=[[0.5, 0.5, 0.5, 0.5]]), None)
    with pytest.raises(DataError, match="MCDropout"):
        op(example(probs=probs, members=probs), None)


def test_scores_replace_those_of_an_earlier_pass():
    table = example(probs=[[0.25, 0.75]], **{"scores.confidence": [0.1]})
    assert read(Confidence()(table, None), "scores.confidence").tolist() == [0.75]
