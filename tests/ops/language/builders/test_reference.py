import math

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.errors import DataError, PipelineError
from lit_iterative.generation.forward import Member
from lit_iterative.generation.language import TokenScores
from lit_iterative.ops.actors import Ensemble, Initial, Policy, Previous
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.reference import ReferenceLogProbs
from lit_iterative.ops.language.tokens import int_lists
from lit_iterative.pool import Pool
from lit_iterative.testing.fake_language import FakeLanguage
from lit_iterative.testing.fixtures import FakeForward

PROMPTS = [[1, 50], [1], [1, 51, 52]]
CHOSEN, REJECTED = [[60, 2], [61, 62, 2], [2]], [[63, 2], [64, 65], []]
PAIRS = pa.table(
    {
        "id": [0, 1, 2],
        "prompt_ids": int_lists(PROMPTS),
        "chosen_ids": int_lists(CHOSEN),
        "rejected_ids": int_lists(REJECTED),
    }
)
ACCEPTED = pa.table({"id": [0, 1, 2], "prompt_ids": int_lists(PROMPTS), "completion_ids": int_lists(CHOSEN)})


def context(forward=None):
    return Context(Pool([0, 1, 2], 1), forward=forward or FakeForward())


def by_hand(completions, member=None, masks=None):
    """Return the sums of a member's token log-probabilities, added up in Python."""
    scores = FakeLanguage(member).log_probs(PROMPTS, completions)
    masks = masks or [[1.0] * len(ids) for ids in completions]
    rows = zip(scores, masks, strict=True)
    return [math.fsum(float(p) * m for p, m in zip(score.log_probs, mask, strict=True)) for score, mask in rows]


def test_pairs_get_the_sums_of_both_sides():
    made = ReferenceLogProbs()(PAIRS, context())
    assert made["chosen_ref_logp"].to_pylist() == pytest.approx(by_hand(CHOSEN), rel=1e-6)
    assert made["rejected_ref_logp"].to_pylist() == pytest.approx(by_hand(REJECTED), rel=1e-6)
    assert made["rejected_ref_logp"].to_pylist()[2] == 0
    assert made.schema.field("chosen_ref_logp").type == pa.float32()


def test_an_anchor_has_names_of_its_own():
    op = ReferenceLogProbs(Initial(), role="anchor")
    assert op.provides == ("chosen_anchor_logp", "rejected_anchor_logp")
    made = op(ReferenceLogProbs()(PAIRS, context()), context())
    member = Initial().members[0]
    assert made["chosen_anchor_logp"].to_pylist() == pytest.approx(by_hand(CHOSEN, member), rel=1e-6)
    assert made["rejected_anchor_logp"].to_pylist() == pytest.approx(by_hand(REJECTED, member), rel=1e-6)
    assert made["chosen_ref_logp"].to_pylist() == pytest.approx(by_hand(CHOSEN), rel=1e-6)
    with pytest.raises(PipelineError, match="no loss but those of pairs has an anchor"):
        ReferenceLogProbs(of="ranked", role="anchor")


def test_completions_get_one():
    op = ReferenceLogProbs(of="completions")
    assert (op.requires, op.provides) == (("prompt_ids", "completion_ids"), ("ref_logp",))
    made = op(ACCEPTED, context())
    assert made["ref_logp"].to_pylist() == pytest.approx(by_hand(CHOSEN), rel=1e-6)


def test_rankings_get_one_for_each_place():
    rankings = [[[60, 2], [61, 62, 2], [2]], [[63, 2], []], []]
    table = pa.table(
        {"prompt_ids": int_lists(PROMPTS), "ranked_ids": pa.array(rankings, pa.list_(pa.list_(pa.int32())))}
    )
    op = ReferenceLogProbs(of="ranked")
    assert (op.requires, op.provides) == (("prompt_ids", "ranked_ids"), ("ranked_ref_logps",))
    for part in (table, table.slice(1)):
        made = op(part, context())["ranked_ref_logps"]
        for prompt, ranking, found in zip(
            *(part[name].to_pylist() for name in ("prompt_ids", "ranked_ids")), made, strict=True
        ):
            wanted = [score.sum for score in FakeLanguage().log_probs([prompt] * len(ranking), ranking)]
            assert found.as_py() == pytest.approx(wanted, rel=1e-6)
        assert made.type == pa.list_(pa.float32())


def test_weights_of_tokens_weigh_the_reference_as_they_weigh_the_policy():
    masks = [[0.5, 1.0], [0.0, 2.0, 1.0], [1.0]]
    table = PAIRS.append_column("chosen_mask", pa.array(masks, pa.list_(pa.float32())))
    made = ReferenceLogProbs()(table, context())
    assert made["chosen_ref_logp"].to_pylist() == pytest.approx(by_hand(CHOSEN, masks=masks), rel=1e-6)
    assert made["rejected_ref_logp"].to_pylist() == pytest.approx(by_hand(REJECTED), rel=1e-6)
    some = pa.array([None, masks[1], None], pa.list_(pa.float32()))
    made = ReferenceLogProbs(of="completions")(ACCEPTED.append_column("completion_mask", some), context())
    expected = by_hand(CHOSEN, masks=[[1.0, 1.0], masks[1], [1.0]])
    assert made["ref_logp"].to_pylist() == pytest.approx(expected, rel=1e-6)


def test_a_mask_of_another_length_is_refused():
    table = PAIRS.append_column("chosen_mask", pa.array([[1.0], [1.0] * 3, [1.0]], pa.list_(pa.float32())))
    with pytest.raises(DataError, match=r"2 tokens but 1 weights"):
        ReferenceLogProbs()(table, context())


@pytest.mark.parametrize("actor", [Initial(), Previous()])
def test_the_actor_is_the_reference(actor):
    made = ReferenceLogProbs(actor)(PAIRS, context())["chosen_ref_logp"].to_pylist()
    assert made == pytest.approx(by_hand(CHOSEN, actor.members[0]), rel=1e-6)
    assert made != pytest.approx(by_hand(CHOSEN), rel=1e-3)


@pytest.mark.parametrize("mixture", ["arithmetic", "geometric"])
def test_several_members_are_one_policy(mixture):
    actor = Ensemble([Policy(), Initial(), Previous()])
    made = ReferenceLogProbs(actor, mixture=mixture)(PAIRS, context())["rejected_ref_logp"].to_pylist()
    members = [by_hand(REJECTED, member) for member in (Member(), Member("initial"), Member("previous"))]
    for row, value in enumerate(made):
        sums = [member[row] for member in members]
        expected = math.log(sum(map(math.exp, sums)) / 3) if mixture == "arithmetic" else sum(sums) / 3
        assert value == pytest.approx(expected, abs=1e-5)


class Diverged(FakeForward):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def language(self, member):
        from contextlib import nullcontext

        model = FakeLanguage(member)
        model.log_probs = lambda prompts, completions, details=False: [
            TokenScores(np.full(len(ids), self.value, dtype=np.float32)) for ids in completions
        ]
        return nullcontext(model)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_model_that_diverged_is_told(value):
    with pytest.raises(DataError, match="gives.*(nan|-inf) for 3 of 3.*diverged.*learning rate"):
        ReferenceLogProbs()(PAIRS, context(Diverged(value)))


def test_very_unlikely_completions_are_mixed_without_underflow():
    actor = Ensemble([Policy(), Initial()])
    made = ReferenceLogProbs(actor)(PAIRS.slice(0, 1), context(Diverged(-1000.0)))
    assert made["chosen_ref_logp"].to_pylist() == [-2000.0]


def test_an_empty_shard():
    made = ReferenceLogProbs()(PAIRS.slice(0, 0), context())
    assert made.num_rows == 0
    assert made.schema.field("rejected_ref_logp").type == pa.float32()
