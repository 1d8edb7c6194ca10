"""Completions in turns with an environment, and an expert's in the same world."""

import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from lit_iterative.batches import Collate
from lit_iterative.columns import read, write
from lit_iterative.environments import Calculator, Rooms
from lit_iterative.environments.environment import seed_of
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.generation.forward import Member
from lit_iterative.generation.language import Completion, Sampling
from lit_iterative.losses.log_probs import score
from lit_iterative.ops import Context
from lit_iterative.ops.actors import Ensemble, Initial, Policy
from lit_iterative.ops.language.tokens import int_lists
from lit_iterative.ops.language.turns.demonstrate import Demonstrate
from lit_iterative.ops.language.turns.rollout import Rollout
from lit_iterative.pool import Pool
from lit_iterative.seeds import derive_seed
from lit_iterative.testing.fake_language import FakeLanguage
from lit_iterative.testing.fixtures import FakeForward
from tests.ops.language.worlds import Parrot
from tests.projects.words import policy

SHORT = Sampling(max_new_tokens=8)
TABLE = pa.table({"id": ["x", "y", "z"], "prompt_ids": int_lists([[1, 50], [1, 51], [1]]), "answer": ["p", "q", "r"]})


def context(forward=None, **options) -> Context:
    return Context(Pool([0, 1, 2], 1, ids=["x", "y", "z"]), forward=forward or FakeForward(), **options)


def played(row: int, candidate: int, turns: int, opening="HI", member=None, round=0) -> dict:
    """Play a rollout, one turn after the other, as the documentation says."""
    model = FakeLanguage(member)
    id, answer, ids = TABLE["id"][row].as_py(), TABLE["answer"][row].as_py(), TABLE["prompt_ids"][row].as_py()
    said = f"<{opening}{answer}{seed_of(id) % 10}>" if opening else ""
    tokens, mask, texts, rewards = list(map(ord, said)), [0.0] * len(said), [], []
    finish = None
    for turn in range(turns):
        seed = derive_seed(0, "rollout", round, id, candidate, turn)
        made = model.generate([[*ids, *tokens]], [seed], SHORT)[0]
        text = model.decode(made.ids)
        tokens, mask, texts = [*tokens, *made.ids], [*mask, *[1.0] * len(made.ids)], [*texts, text]
        if "e" not in text:
            rewards.append(float("b" in text))
        if made.finish == "length":
            finish = "length"
            break
        answer = f"<{text.upper()}>" if text else ""
        tokens, mask = [*tokens, *map(ord, answer)], [*mask, *[0.0] * len(answer)]
        if "a" in text:
            finish = "stop"
            break
    reward = sum(rewards) if rewards else math.nan
    return {"ids": tokens, "mask": mask, "turns": texts, "finish": finish or "length", "reward": reward}


@pytest.mark.parametrize("turns", [1, 3, 6])
@pytest.mark.parametrize("opening", ["HI", ""])
def test_turns_and_answers_are_one_completion(turns, opening):
    told = context(round=2)
    made = Rollout(Parrot(opening), 5, turns, SHORT, observation="<{observation}>")(TABLE, told).to_pylist()
    wanted = [played(row, candidate, turns, opening, round=2) for row in range(3) for candidate in range(5)]
    assert [row["completion_ids"] for row in made] == [one["ids"] for one in wanted]
    assert [row["completion_mask"] for row in made] == [one["mask"] for one in wanted]
    assert [row["turns"] for row in made] == [one["turns"] for one in wanted]
    assert [row["finish"] for row in made] == [one["finish"] for one in wanted]
    assert [row["text"] for row in made] == [FakeLanguage().decode(one["ids"]) for one in wanted]
    np.testing.assert_array_equal([row["scores.reward"] for row in made], [one["reward"] for one in wanted])
    assert [row["group"] for row in made] == [row["id"] for row in made] == ["x"] * 5 + ["y"] * 5 + ["z"] * 5
    assert [row["candidate"] for row in made] == [*range(5)] * 3
    measured = told.tally.values()
    assert measured["candidates"] == 15
    assert measured["turns"] == np.mean([len(one["turns"]) for one in wanted])
    assert measured["unfinished_share"] == np.mean([one["finish"] == "length" for one in wanted])
    assert measured["reward"] == pytest.approx(np.nanmean([one["reward"] for one in wanted]))


def test_the_cases_show_all_ends():
    ends = {played(row, candidate, 6)["finish"] for row in range(3) for candidate in range(5)}
    assert ends == {"stop", "length"}


def test_members_of_an_actor_take_turns():
    actor = Ensemble([Initial(), Policy()])
    made = Rollout(Parrot(), 2, 3, SHORT, actor, "<{observation}>")(TABLE, context())
    members = [Member(weights="initial"), Member()]
    wanted = [played(row, number, 3, member=members[number])["ids"] for row in range(3) for number in (0, 1)]
    assert made["completion_ids"].to_pylist() == wanted
    assert set(made["source"].to_pylist()) == {"Ensemble"}


class Small(FakeLanguage):
    context = 14


class SmallForward(FakeForward):
    def language(self, member):
        from contextlib import nullcontext

        return nullcontext(Small(member))


def test_a_full_context_ends_a_rollout():
    made = Rollout(Parrot("HELLO WORLD."), 2, 3, SHORT)(TABLE, context(SmallForward()))
    assert made["turns"].to_pylist() == [[]] * 6
    assert set(made["finish"].to_pylist()) == {"length"}
    assert np.isnan(read(made, "scores.reward")).all()
    lengths = [len(row["prompt_ids"] + row["completion_ids"]) for row in made.to_pylist()]
    assert lengths == [14] * 6


@pytest.mark.parametrize("options", [{"n": 0}, {"turns": 0}, {"observation": "x"}, {"observation": "{prompt}"}])
def test_parameters(options):
    with pytest.raises(PipelineError, match="Rollout"):
        Rollout(Parrot(), **options)


def test_a_task_that_is_not_told_is_missed():
    with pytest.raises(DataError, match=r"told \['answer'\] of a task"):
        Rollout(Parrot())(TABLE.drop_columns(["answer"]), context())


# ---- experts ------------------------------------------------------------------------------------------


def test_an_expert_is_heard_in_the_same_world():
    table = write(TABLE, actions=pa.array([["b\n", "ba\n"], None, ["e\n"]]))
    told = context()
    made = Demonstrate(Parrot(), observation="<{observation}>")(table, told).to_pylist()
    first, second, third = made
    opening = f"<HIp{seed_of('x') % 10}>"
    assert first["expert"] == f"{opening}b\n<B\n>ba\n<BA\n>"
    assert first["expert_ids"] == list(map(ord, first["expert"]))
    parts = [(opening, 0.0), ("b\n", 1.0), ("<B\n>", 0.0), ("ba\n", 1.0), ("<BA\n>", 0.0)]
    assert first["expert_mask"] == [weight for text, weight in parts for _ in text]
    assert [row["scores.expert"] for row in (first, third)] == [2.0, pytest.approx(math.nan, nan_ok=True)]
    assert (second["expert"], second["expert_ids"], second["expert_mask"]) == (None, None, None)
    assert told.tally.values() == {"not_given": 1}


def test_an_expert_that_goes_on_too_long_is_told():
    table = write(TABLE, actions=pa.array([["a\n", "b\n"]] * 3))
    with pytest.raises(DataError, match="2 actions, but the episode is over after 1"):
        Demonstrate(Parrot())(table, context())
    with pytest.raises(DataError, match="a list of texts"):
        Demonstrate(Parrot(), "answer")(TABLE, context())
    with pytest.raises(PipelineError, match="the one place"):
        Demonstrate(Parrot(), observation="")


def test_an_expert_and_a_rollout_with_the_same_turns_are_the_same_tokens():
    class Knows(FakeLanguage):
        def generate(self, prompts, seeds, sampling):
            said = [next(turn) for turn in turns]
            assert sampling.stop == ["\n"]
            return [Completion(list(map(ord, text)), "stop") for text in said]

    class Forward(FakeForward):
        def language(self, member):
            from contextlib import nullcontext

            return nullcontext(Knows(member))

    table = pa.table({"id": [4], "prompt": ["lamp c3\n"], "prompt_ids": int_lists([[1, 9]])})
    actions = Rooms().reset({"prompt": "lamp c3\n"}, seed_of(4)).shortest()
    turns = [iter(actions)]
    table = write(table, actions=pa.array([actions]))
    pool = Pool([0], 1, ids=[4])
    made = Demonstrate(Rooms())(table, Context(pool, forward=Forward()))
    own = Rollout(Rooms(), 1)(table, Context(pool, forward=Forward()))
    assert own["completion_ids"].to_pylist() == made["expert_ids"].to_pylist()
    assert own["completion_mask"].to_pylist() == made["expert_mask"].to_pylist()
    assert own["scores.reward"].to_pylist() == made["scores.expert"].to_pylist() == [1.0]
    assert own["finish"].to_pylist() == ["stop"]


# ---- what losses see ----------------------------------------------------------------------------------


def test_no_gradient_comes_from_what_the_environment_said():
    module = policy()
    module.configure_model()
    calculator = Calculator("", "=", "0")
    episode = calculator.reset({}, 0)
    said = [
        ("7+5=", 1.0),
        (episode.step("7+5=").observation, 0.0),
        ("+1=", 1.0),
        (episode.step("+1=").observation, 0.0),
    ]
    prompt = module.encode("7+5+1=")
    ids = [token for text, _ in said for token in module.encode(text)[1:]]
    mask = [weight for text, weight in said for _ in text]
    rows = [  # of one prompt, which may be read once for both
        {"prompt_ids": prompt, "completion_ids": ids, "completion_mask": weights, "weight": 1.0}
        for weights in (mask, [1 - weight for weight in mask])
    ]
    batch = Collate(module.pad_id)(rows)
    logits = module.network(batch.sequences.input_ids[:1]).logits.log_softmax(-1)[0]
    scored = score(module.network, batch.sequences)
    for row, said_by in enumerate((1.0, 0.0)):
        places = [len(prompt) + place for place, weight in enumerate(mask) if weight == said_by]
        wanted = sum(logits[place - 1, batch.sequences.input_ids[0, place]] for place in places)
        torch.testing.assert_close(scored.sums[row], wanted)
    assert scored.tokens.tolist() == [7, 4]
