"""Searches over steps, in a world whose chances are known."""

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import read
from lit_iterative.errors import PipelineError
from lit_iterative.generation.language import Sampling
from lit_iterative.ops.language import StepSearch, StepValue, TreeSearch
from tests.ops.language.walks import PROMPTS, LovesB, TwoOfA, walking


def states_of(table):
    states = {}
    for row in table.to_pylist():
        states.setdefault(row["group"], []).append(row)
    return states


def path_of(states, root):
    """The states that a search went through, from its root."""
    return sorted((name for name in states if name.split(".")[0] == root), key=len)


def check_goes_on_from_the_best(states, score):
    """Every state but the root is one of the best steps of the state before."""
    for root in {name.split(".")[0] for name in states}:
        for before, name in zip(path_of(states, root), path_of(states, root)[1:], strict=False):
            (chosen,) = [row for row in states[before] if f"{before}.{row['candidate']}" == name]
            assert chosen[score] == max(row[score] for row in states[before] if row["finish"] == "stop")
            for row in states[name]:
                assert row["prompt_ids"] == chosen["prompt_ids"] + chosen["completion_ids"]
                assert row["prompt"] == chosen["prompt"] + chosen["text"]
                assert row["step"] == chosen["step"] + 1


def test_step_search_goes_on_from_the_best_step():
    told = walking()
    op = StepSearch([StepValue([TwoOfA()], 60, Sampling(9))], "scores.value", 4, separator=";")
    made = op(PROMPTS, told)
    states = states_of(made)
    assert [len(path_of(states, root)) for root in ("3", "5", "8")] == [3, 3, 3]
    assert made["id"].to_pylist() == [3] * 12 + [5] * 12 + [8] * 12
    check_goes_on_from_the_best(states, "scores.value")
    assert told.tally.values()["ended"] == 1
    assert told.tally.values()["steps"] == 3
    ends = [row["prompt"] + row["text"] for row in made.to_pylist() if row["done"] and row["scores.value"] == 1]
    assert {"x", "y", "z"} == {end[0] for end in ends}, "no search found a right solution"


def test_step_search_stops_where_no_step_has_a_score_and_at_its_depth():
    told = walking()
    made = StepSearch([LovesB()], "scores.judge", 4, depth=2, separator=";")(PROMPTS, told)
    assert [len(path_of(states_of(made), root)) for root in ("3", "5", "8")] == [1, 2, 2]
    assert told.tally.values()["ended"] == 0
    assert np.isnan(read(made, "scores.judge")[:4]).all()
    assert set(StepSearch([LovesB()], "scores.judge").provides) <= set(made.column_names)


def test_searches_are_the_same_alone_and_together_and_others_in_another_round():
    for op in (
        StepSearch([LovesB()], "scores.judge", 3, separator=";"),
        TreeSearch([TwoOfA()], [LovesB()], n=3, simulations=4, separator=";"),
    ):
        whole = op(PROMPTS, walking())
        parts = [op(PROMPTS.slice(row, 1), walking()) for row in range(3)]
        assert repr(pa.concat_tables(parts).to_pylist()) == repr(whole.to_pylist())  # NaN too
        other = op(PROMPTS, walking(round=1))
        assert other["text"].to_pylist() != whole["text"].to_pylist()


def tree(told=None, **options):
    settings = {"n": 6, "simulations": 12, "depth": 3, "separator": ";", **options}
    return TreeSearch([TwoOfA()], **settings)(PROMPTS, told or walking())


def test_tree_search_finds_right_solutions_and_goes_on_from_the_most_valuable_step():
    told = walking()
    made = tree(told)
    states = states_of(made)
    check_goes_on_from_the_best(states, "scores.value")
    assert told.tally.values()["ended"] == 1
    assert told.tally.values()["steps"] == 3
    for row in made.to_pylist():
        if row["done"]:
            right = (row["prompt"] + row["text"]).count("a") >= 2
            assert row["scores.value"] == (1 if right else -1)
    for root in ("3", "5", "8"):
        assert any(row["done"] and row["scores.value"] == 1 for row in states[path_of(states, root)[-1]])


def test_tree_search_counts_equal_steps_once():
    made = tree()
    for rows in states_of(made).values():
        texts = [row["text"] for row in rows]
        assert len(texts) == len(set(texts))


def test_what_is_decided_is_known_once_a_step_behind_it_was_seen():
    rows = [row for row in tree().to_pylist() if row["step"] == 1 and row["visits"] > 1]
    told = [(row["prompt"][1:] + row["text"], row["scores.value"]) for row in rows]
    assert {value for letters, value in told if letters == "a;a;"} == {1.0}
    assert {value for letters, value in told if letters == "b;b;"} <= {-1.0}
    assert all(-1 <= value <= 1 for _, value in told)


def test_an_evaluation_counts_before_the_end():
    """With a judge that loves b and one selection a step, the search goes where the judge wants."""
    made = tree(evaluation=[LovesB()], simulations=1, exploration=0.0)
    for root in ("5", "8"):
        assert made.filter(pa.array([name.split(".")[0] == root for name in made["group"].to_pylist()]))[
            "prompt"
        ].to_pylist()[-1][1:] == "b;b;"  # fmt: skip


def test_no_visit_is_lost():
    """Every simulation comes through one child of the state that it begins at."""
    made = tree(simulations=5, depth=1)
    assert [sum(row["visits"] for row in rows) for rows in states_of(made).values()] == [5, 5, 5]


def test_cut_steps_are_never_gone_on_from():
    told = walking()
    made = tree(told, sampling=Sampling(max_new_tokens=1))
    assert set(made["finish"].to_pylist()) == {"length"}
    assert set(made["step"].to_pylist()) == {0}
    assert told.tally.values()["ended"] == 0


def test_searches_without_room_give_nothing():
    made = tree(walking(context=2))
    assert made.num_rows == 0
    assert {"scores.value", "visits", "group"} <= set(made.column_names)


@pytest.mark.parametrize(
    "wrong", [{"simulations": 0}, {"depth": 0}, {"exploration": -1.0}, {"discount": 2.0}, {"n": 0}]
)
def test_numbers_that_make_no_sense_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(PipelineError, match=name):
        TreeSearch([TwoOfA()], **wrong)
    with pytest.raises(PipelineError, match="depth"):
        StepSearch([LovesB()], "scores.judge", depth=0)
