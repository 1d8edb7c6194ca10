"""How completions are cut, and the values of steps, in a world whose chances are known."""

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.generation.language import Sampling
from lit_iterative.ops import Context
from lit_iterative.ops.language import CutSteps, FirstDrop, NextSteps, OwnOverGiven, Sample, StepPairs, StepValue
from lit_iterative.ops.language.steps.steps import advanced, step_ends
from lit_iterative.ops.language.testing import candidates
from lit_iterative.ops.remember import Remember
from lit_iterative.pool import Pool
from tests.ops.language.walks import CHANCE, PROMPTS, TwoOfA, Walker, walking


def letters(ids):
    return "".join(map(chr, ids))


@pytest.mark.parametrize(
    ("text", "separator", "wanted"),
    [("", ";", []), ("ab", ";", ["ab"]), ("a;b;", ";", ["a;", "b;"]), (";;", ";", [";", ";"]),
     ("a--b---c", "--", ["a--", "b--", "-c"]), ("a-;-b", "--", ["a-;-b"])],
)  # fmt: skip
def test_steps_end_behind_each_separator(text, separator, wanted):
    ids = [*map(ord, text)]
    ends = step_ends(ids, letters, separator)
    assert [letters(ids[a:b]) for a, b in zip([0, *ends], ends, strict=False)] == wanted


def test_a_token_of_several_signs_ends_a_step_where_it_completes_a_separator():
    words = ["one\n", "\ntwo", "\n\nthree", "four"]
    decode = lambda ids: "".join(words[token] for token in ids)  # noqa: E731
    assert step_ends([0, 1, 3, 2, 3], decode, "\n\n") == [2, 4, 5]


def test_steps_that_are_cut_are_those_that_are_drawn():
    told = walking()
    whole = Sample(4, Sampling(max_new_tokens=9))(PROMPTS, told)
    steps = CutSteps(";")(whole, told)
    for (name,), rows in pa_groups(steps, "group"):
        solution = whole.to_pylist()[[f"{r['group']} {r['candidate']}" for r in whole.to_pylist()].index(name)]
        assert [row["text"] for row in rows] == [f"{letter}{';' * (k < 2)}" for k, letter in enumerate(
            solution["text"].split(";"))]  # fmt: skip
        for number, row in enumerate(rows):
            assert (row["step"], row["candidate"], row["done"]) == (number, number, number == 2)
            assert row["prompt"] == solution["prompt"] + "".join(r["text"] for r in rows[:number])
            assert row["prompt_ids"] == solution["prompt_ids"] + row["prefix_ids"]
            assert row["prompt_ids"] + row["completion_ids"] == (
                solution["prompt_ids"] + solution["completion_ids"][: len(row["prefix_ids"] + row["completion_ids"])]
            )
    assert told.tally.values()["steps"] == 3


def pa_groups(table, *names):
    groups = {}
    for row in table.to_pylist():
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups.items()


def test_the_last_step_of_a_cut_completion_is_cut_and_not_done():
    told = walking()
    steps = CutSteps(";")(Sample(1, Sampling(max_new_tokens=3))(PROMPTS, told), told)
    assert steps["finish"].to_pylist() == ["stop", "length"] * 3
    assert not any(steps["done"].to_pylist())


def test_next_steps_go_on_from_states_and_each_draw_has_its_name():
    told, draw = walking(), NextSteps(5, separator=";")
    first = draw(PROMPTS, told)
    assert [len(rows) for _, rows in pa_groups(first, "group")] == [5, 5, 5]
    assert first["step"].to_pylist() == [0] * 15
    assert set(first["text"].to_pylist()) == {"a;", "b;"}
    states = advanced(first, Walker().decode)
    second = draw(states, told)
    assert len(set(second["group"].to_pylist())) == 15
    for row, state in zip(second.to_pylist(), np.repeat(np.array(first.to_pylist()), 5), strict=True):
        assert row["prompt_ids"] == state["prompt_ids"] + state["completion_ids"]
        assert row["prompt"] == state["prompt"] + state["text"]
        assert row["group"] == f"{state['group']}.{state['candidate']}"
    alone = draw(states.slice(7, 1), told)
    assert alone["text"].to_pylist() == second["text"].to_pylist()[35:40]
    last = draw(advanced(second, Walker().decode), told)
    assert all(last["done"].to_pylist())
    assert not any(second["done"].to_pylist())
    assert len({tuple(rows) for rows in np.array(second["text"].to_pylist()).reshape(15, 5)}) > 5


def test_states_without_room_are_left_out_and_counted():
    told = walking(context=4)
    first = NextSteps(2, separator=";")(PROMPTS, told)
    assert NextSteps(2, separator=";")(advanced(first, Walker().decode), told).num_rows == 0
    assert told.tally.values()["no_room"] == 6


def test_a_prompt_that_comes_twice_is_refused():
    with pytest.raises(DataError, match="several rows"):
        NextSteps()(pa.concat_tables([PROMPTS, PROMPTS]), walking())


def test_values_of_steps_are_the_chances_of_the_world():
    told, rollouts = walking(), 400
    steps = CutSteps(";")(Sample(3, Sampling(max_new_tokens=9))(PROMPTS, told), told)
    value = StepValue([TwoOfA()], rollouts)(steps, told)["scores.value"].to_pylist()
    for row, found in zip(steps.to_pylist(), value, strict=True):
        sofar = row["prompt"][1:] + row["text"]
        if row["done"]:
            assert found == (sofar.count("a") >= 2)
        else:
            chance = CHANCE[sofar.count("a"), row["step"] + 1]
            assert abs(found - chance) <= 4 * np.sqrt(chance * (1 - chance) / rollouts)
    assert told.tally.values()["rollouts"] == 18 * rollouts


def test_values_do_not_depend_on_the_other_steps():
    told = walking()
    steps = CutSteps(";")(Sample(3, Sampling(max_new_tokens=9))(PROMPTS, told), told)
    op = StepValue([TwoOfA()], 3)
    whole = op(steps, told)["scores.value"].to_pylist()
    assert op(steps.slice(9, 3), told)["scores.value"].to_pylist() == whole[9:12]
    assert op(steps, walking(round=1))["scores.value"].to_pylist() != whole


def test_a_step_behind_which_nothing_fits_has_no_value():
    told = walking(context=4)
    rows = NextSteps(2, separator=";")(PROMPTS, told)
    assert np.isnan(read(StepValue([TwoOfA()], 2)(rows, told), "scores.value")).all()
    assert told.tally.values()["no_room"] == 6


def test_scorers_inside_must_score_each_row():
    with pytest.raises(PipelineError, match="Remember, which needs the whole table"):
        StepValue([TwoOfA(), Remember(["text"])])
    with pytest.raises(PipelineError, match=r"goes by 'scores.reward', but its ops provide only \['scores.correct'\]"):
        StepValue([TwoOfA()], score="scores.reward")
    with pytest.raises(DataError, match="made 6 rows of 3 inside of another op"):
        StepValue([Twice(), TwoOfA()], 1)(NextSteps(1, separator=";")(PROMPTS, walking()), walking())


class Twice(TwoOfA):
    def __call__(self, table, context):
        return pa.concat_tables([table, table])


# ---- the critical step, and pairs of steps ----------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "margin", "critical"),
    [
        (0.5, [0.75, 0.25, 0.0], 0.0, 1),
        (0.5, [0.25, 0.0, 0.0], 0.0, 0),
        (0.5, [0.5, 0.5, 0.5], 0.0, None),
        (0.5, [0.25, 0.0, 0.0], 0.25, None),
        (0.5, [0.25, 0.0, 0.0], 0.2, 0),
        (np.nan, [0.5, 0.25, 0.0], 0.0, 1),
        (0.5, [np.nan, 0.0, -1.0], 0.0, 2),
    ],
)
def test_the_first_drop_is_the_critical_step(before, after, margin, critical):
    table = candidates(["u", "v", "w"], pass_rate=[before] * 3, **{"scores.value": after})
    table = write(table, prompt=pa.array(["p0", "p1", "p2"]))
    told = Context(Pool([0], 1))
    made = FirstDrop(margin=margin)(table, told).to_pylist()
    if critical is None:
        assert (made, told.tally.values()["without_drop"]) == ([], 1)
    else:
        (row,) = made
        assert (row["prompt"], row["critical"]) == (f"p{critical}", "uvw"[critical])
        assert row["critical_ids"] == table["completion_ids"].to_pylist()[critical]
        assert row["scores.critical"] == after[critical]
    assert told.tally.values()["value_unknown"] == int(np.isnan([before, *after]).any())


def test_the_whole_way_to_pairs_at_the_critical_prefix():
    """The rejected step is the first that lowers the chances; the chosen one has better chances at the same prefix."""
    told, sampling = walking(), Sampling(max_new_tokens=9)
    wrong = TwoOfA()(Sample(8, sampling)(PROMPTS, told), told)
    wrong = write(wrong, pass_rate=np.full(wrong.num_rows, 0.5)).filter(pa.array(read(wrong, "scores.correct") == 0))
    value, ops = StepValue([TwoOfA()], 200), [CutSteps(";")]
    ops += [value, FirstDrop(margin=0.15), NextSteps(6, sampling, ";"), value, OwnOverGiven(margin=0.15)]
    for op in ops:
        wrong = op(wrong, told)
    assert wrong.num_rows > 5
    for row in wrong.to_pylist():
        so_far = row["prompt"][1:]
        assert row["chosen"].strip(";") == "a"
        assert row["rejected"].strip(";") == "b"
        assert "b" not in so_far, "an earlier step had lowered the chances"
        assert row["chosen_score"] > row["rejected_score"] == row["scores.critical"]
        assert row["prompt_ids"][-len(row["prefix_ids"]) :] == row["prefix_ids"] or not row["prefix_ids"]


def test_own_steps_that_are_no_better_give_no_pair():
    given = {"critical": ["5"] * 3, "critical_ids": pa.array([[53]] * 3), "scores.critical": [0.5] * 3}
    table = candidates(["4", "6", "7~"], **given, **{"scores.value": [0.5, 0.25, 1.0]})
    told = Context(Pool([0], 1))
    assert OwnOverGiven()(table, told).num_rows == 0
    assert told.tally.values()["not_better"] == 1
    (pair,) = OwnOverGiven(truncated="keep", at_most=3)(table, told).to_pylist()
    assert (pair["chosen"], pair["chosen_score"], pair["rejected_score"]) == ("7", 1.0, 0.5)


@pytest.mark.parametrize(("visits", "preference"), [([3, 1], 0.75), ([0, 0], 0.5), ([2, 0], 1.0), ([1, 3], 0.25)])
def test_step_pairs_are_as_strong_as_their_visits(visits, preference):
    table = candidates(["4", "5"], visits=np.array(visits, dtype=np.int32), **{"scores.value": [0.5, 0.1]})
    (pair,) = StepPairs(visits="visits")(table, Context(Pool([0], 1))).to_pylist()
    smoothing = 1.0 if not visits[0] else 1 / (visits[0] / visits[1] + 1) if visits[1] else 0.0
    assert pair["chosen"] == "4"
    assert pair["preference"] == pytest.approx(0.5 if not any(visits) else 1 - smoothing) == preference


def test_step_pairs_without_visits_are_those_of_best_worst():
    table = candidates(["4", "5"], **{"scores.value": [0.5, 0.1]})
    assert "preference" not in StepPairs()(table, Context(Pool([0], 1))).column_names
