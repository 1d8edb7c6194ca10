"""Tasks in houses of rooms."""

import pytest

from lit_iterative.datamodules.rooms import RoomsData
from lit_iterative.environments import Rooms
from lit_iterative.environments.environment import seed_of


@pytest.mark.parametrize("side", [2, 4])
def test_experts_find_the_lamp_in_the_house_of_their_prompt(side):
    data = RoomsData(prompts=40, side=side)
    pool = data.pool()
    for id, record in zip(pool.keys.tolist(), data.records("prompts"), strict=True):
        visit = Rooms(side).reset(record, seed_of(id))
        steps = [visit.step(action) for action in record["actions"]]
        assert [step.done for step in steps] == [False] * (len(steps) - 1) + [True]
        assert steps[-1].reward == 1


def test_another_seed_hides_the_lamps_elsewhere():
    prompts = [[record["prompt"] for record in RoomsData(30, seed=seed).records("prompts")] for seed in (0, 0, 1)]
    assert prompts[0] == prompts[1] != prompts[2]
    assert len(set(prompts[0])) > 5
