"""PolicyWithReward: two parts of a module, each trained on rows of its own."""

from functools import partial

import numpy as np
import pytest
import torch

from lit_iterative.batches import Batch, Collate, Pairs
from lit_iterative.errors import DataError, SetupError
from lit_iterative.generation.forward import DROPOUT
from lit_iterative.losses.preferences import bradley_terry
from lit_iterative.modules import BradleyTerryReward, Fresh, PolicyWithReward
from lit_iterative.modules.with_reward import parts_of
from lit_iterative.ops.actors import MCDropout
from lit_iterative.ops.language import OwnReward, PreferenceUncertainty
from lit_iterative.ops.language.score.own_reward import entropy
from lit_iterative.testing.fake_language import FakeLanguage
from tests.judging.classifiers import GPT2, LLAMA
from tests.ops.language.builders.test_reference import CHOSEN, PAIRS, PROMPTS, REJECTED, context
from tests.projects.words import trainer

ALPHABET = "0123456789+="


def module(config=LLAMA, alphabet=ALPHABET):
    reward = BradleyTerryReward(config=config, alphabet=alphabet)
    sgd = partial(torch.optim.SGD, lr=0.1, weight_decay=0.1)
    return PolicyWithReward(reward=reward, backbone=Fresh(ALPHABET, LLAMA), optimizer=sgd)


def row(component=None, shift=0):
    made = {"prompt_ids": [1, 5], "chosen_ids": [6 + shift, 2], "rejected_ids": [7, 8, 2]}
    made |= {"chosen_ref_logp": -5.0, "rejected_ref_logp": -6.0}
    return made if component is None else {**made, "component": component}


def trained(tmp_path, *components):
    """Train one step on rows for these components; return which parts of the module have changed."""
    made = module()
    made.configure_model()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    rows = [row(component, shift) for shift, component in enumerate(components)]
    loader = torch.utils.data.DataLoader(rows, len(rows), collate_fn=Collate(made.pad_id))
    trainer(tmp_path, [], max_epochs=1).fit(made, loader)
    return {name.split(".")[0] for name, value in made.state_dict().items() if not value.equal(before[name])}


@pytest.mark.parametrize(
    ("components", "changed"),
    [
        (["reward", "reward"], {"reward"}),
        (["policy"], {"network"}),
        ([None, None], {"network"}),
        (["policy", "reward"], {"network", "reward"}),
        ([None, "reward"], {"network", "reward"}),
    ],
)
def test_rows_train_their_own_part(tmp_path, components, changed):
    assert trained(tmp_path, *components) == changed


def test_collate_makes_a_batch_for_each_component():
    batch = Collate(0)([row("reward"), row(), row("policy", 1)])
    assert list(batch) == ["policy", "reward"]
    assert [len(part) for part in batch.values()] == [2, 1]
    assert all(type(part) is Pairs for part in batch.values())
    assert isinstance(Collate(0)([row(), row()]), Batch)
    assert [name for name, _ in parts_of({"pseudo": batch, "labelled": batch["policy"]})] == [
        "policy",
        "reward",
        "labelled",
    ]


def test_the_loss_of_rewards_is_theirs_alone(tmp_path):
    made = module()
    made.configure_model()
    made.eval()
    logged = {}
    made.log = lambda name, value, **options: logged.update({name: float(value)})
    batch = Collate(made.pad_id)([row("reward"), {**row("reward", 1), "weight": 0.5}])
    loss = made.training_step(batch, 0)
    sides = [made.rewards_of([[1, 5]] * 2, ids) for ids in ([[6, 2], [7, 2]], [[7, 8, 2]] * 2)]
    chosen, rejected = (torch.tensor(side) for side in sides)
    expected = (torch.tensor([1.0, 0.5]) * bradley_terry(chosen, rejected)).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert logged["train_reward_loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_its_dropout_gives_other_rewards_each_time():
    made = module({**GPT2, "resid_pdrop": 0.3})
    made.configure_model()
    made.eval()
    ask = lambda: made.rewards_of([[1, 5]], [[6, 7, 8, 2]])[0]  # noqa: E731
    assert ask() == ask()
    for layer in made.modules():
        if isinstance(layer, DROPOUT):
            layer.training = True
    assert ask() != ask()


def test_what_does_not_fit_is_refused():
    with pytest.raises(SetupError, match="another tokenizer than the policy"):
        module(alphabet="abc")
    with pytest.raises(SetupError, match="saves all weights"):
        PolicyWithReward(BradleyTerryReward(config=LLAMA), backbone=Fresh(ALPHABET, LLAMA), save="trained")
    few = PolicyWithReward(BradleyTerryReward(config={**LLAMA, "vocab_size": 5}), backbone=Fresh(ALPHABET, LLAMA))
    with pytest.raises(SetupError, match="the reward model embeds 5"):
        few.configure_model()
    batch = Collate(0)([{"prompt_ids": [1], "completion_ids": [2], "component": "reward"}])
    with pytest.raises(DataError, match="the batch holds Completions for it"):
        module().training_step(batch, 0)


# ---- the ops that ask it ------------------------------------------------------------------------------


def guesses(completions, member):
    return np.array(FakeLanguage(member).rewards_of(PROMPTS, completions))


def test_own_rewards_are_the_mean_over_members():
    table = PAIRS.rename_columns(["id", "prompt_ids", "completion_ids", "rejected_ids"])
    actor = MCDropout(3)
    made = OwnReward(actor, score="x")(table, context())["scores.x"].to_numpy()
    np.testing.assert_allclose(made, np.mean([guesses(CHOSEN, member) for member in actor.members], axis=0))


def test_uncertainty_is_what_the_members_would_learn():
    class Moody(FakeLanguage):
        """Says something else every time it is asked."""

        asked = 0

        def rewards_of(self, prompts, completions):
            Moody.asked += 1
            draw = np.random.default_rng(Moody.asked)
            return draw.normal(size=len(prompts)) * 2

    class Forward:
        def language(self, member):
            from contextlib import nullcontext

            return nullcontext(Moody(member))

    made = PreferenceUncertainty(MCDropout(4))(PAIRS, context(Forward()))
    chances = []
    for asked in range(1, 5):
        both = np.random.default_rng(asked).normal(size=6) * 2
        chances.append(1 / (1 + np.exp(both[3:] - both[:3])))
    for place in range(3):
        own = [chance[place] for chance in chances]
        mean = sum(own) / 4
        coin = lambda p: -(p * np.log(p) + (1 - p) * np.log(1 - p))  # noqa: E731
        expected = coin(mean) - sum(map(coin, own)) / 4
        assert made["scores.preference"][place].as_py() == pytest.approx(mean)
        assert made["scores.uncertainty"][place].as_py() == pytest.approx(expected)
    sure = PreferenceUncertainty(MCDropout(2))(PAIRS, context())
    assert sure["scores.uncertainty"].to_pylist() == pytest.approx([0.0] * 3, abs=1e-12)  # alike: they have no dropout
    assert len(REJECTED) == 3
    assert entropy(np.array([0.25]))[0] == pytest.approx(coin(0.25))


def test_a_policy_without_a_reward_model_is_told():
    class Plain:
        pass

    class Forward:
        def language(self, member):
            from contextlib import nullcontext

            return nullcontext(Plain())

    with pytest.raises(SetupError, match="Plain has no reward model of its own"):
        PreferenceUncertainty()(PAIRS, context(Forward()))
