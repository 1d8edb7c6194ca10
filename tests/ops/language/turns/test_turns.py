"""Rollouts taken apart."""

import pyarrow as pa
import pytest

from lit_iterative.errors import DataError
from lit_iterative.generation.language import Sampling
from lit_iterative.ops import Context
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.language.tokens import int_lists
from lit_iterative.ops.language.turns.rollout import Rollout
from lit_iterative.ops.language.turns.turns import Turns
from lit_iterative.pool import Pool
from lit_iterative.testing.fake_language import FakeLanguage
from lit_iterative.testing.fixtures import FakeForward
from tests.ops.language.worlds import Parrot

SHORT = Sampling(max_new_tokens=8)


def context() -> Context:
    return Context(Pool(range(3), 1), forward=FakeForward())


def rollouts(n=5, turns=4, opening="HI") -> pa.Table:
    table = pa.table({"id": [0, 1, 2], "prompt_ids": int_lists([[1], [1, 9], [1, 8]]), "answer": ["p", "q", "r"]})
    return Rollout(Parrot(opening), n, turns, SHORT)(table, context())


@pytest.mark.parametrize("opening", ["HI", ""])
def test_turns_and_what_the_environment_said_make_up_the_rollout_again(opening):
    whole, told = rollouts(opening=opening), context()
    made = Turns()(whole, told).to_pylist()
    by_rollout: dict = {}
    for row in made:
        by_rollout.setdefault((row["id"], row["candidate"]), []).append(row)
    for row in whole.to_pylist():
        mine = by_rollout[row["id"], row["candidate"]]
        assert [turn["turn"] for turn in mine] == [*range(len(row["turns"]))]
        assert [turn["text"] for turn in mine] == row["turns"]
        assert [FakeLanguage().decode(turn["completion_ids"]) for turn in mine] == row["turns"]
        everything = [*row["prompt_ids"], *row["completion_ids"]]
        for turn in mine:
            read = len(turn["prompt_ids"])
            assert everything[: read + len(turn["completion_ids"])] == [*turn["prompt_ids"], *turn["completion_ids"]]
        assert sum(len(turn["completion_ids"]) for turn in mine) == sum(row["completion_mask"])
        assert [turn["finish"] for turn in mine] == [*["stop"] * (len(mine) - 1), row["finish"]]
    assert len({row["state"] for row in made}) == len(made) == told.tally.values()["turns_taken"]
    assert not {"completion_mask", "turns", "turn_starts"} & set(made[0])


def test_turns_that_stand_together_are_told_apart():
    tokens = {"prompt_ids": [[1]], "completion_ids": [[97, 98, 63]], "completion_mask": [[1.0, 1.0, 0.0]]}
    said = {"turns": [["a", "b"]], "turn_starts": [[0, 1]], "finish": ["stop"]}
    made = Turns()(pa.table({"id": [0], "candidate": [0], **tokens, **said}), context())
    assert made["completion_ids"].to_pylist() == [[97], [98]]
    assert made["prompt_ids"].to_pylist() == [[1], [1, 97]]


def test_candidates_of_a_state_are_a_group():
    states = Turns()(rollouts(), context())
    made = Sample(2, SHORT, group="state")(states, context())
    assert made["group"].to_pylist() == [state for state in states["state"].to_pylist() for _ in range(2)]
    assert len(set(map(tuple, made["completion_ids"].to_pylist()))) > states.num_rows  # with draws of their own
    assert Sample(group="state").requires == ("prompt_ids", "state")


def test_what_is_no_rollout_is_told():
    table = rollouts()
    lost = table.drop_columns(["turns"]).append_column("turns", pa.array([["a"] * 9] * table.num_rows))
    with pytest.raises(DataError, match="as Rollout makes them"):
        Turns()(lost, context())
