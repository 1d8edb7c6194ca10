import math

import pytest
import torch

from lit_iterative.batches import Collate
from lit_iterative.errors import DataError, SetupError
from lit_iterative.losses.log_probs import Scored
from lit_iterative.modules.objective import Objective, reference_error

PAIRS = [
    {
        "prompt_ids": [1, 5],
        "chosen_ids": [6, 2],
        "rejected_ids": [7, 8, 2],
        "chosen_ref_logp": -1.0,
        "rejected_ref_logp": -2.0,
    },
    {
        "prompt_ids": [1],
        "chosen_ids": [6, 6, 2],
        "rejected_ids": [2],
        "chosen_ref_logp": -3.0,
        "rejected_ref_logp": -0.5,
    },
    {"prompt_ids": [1], "chosen_ids": [6, 2], "rejected_ids": [2], "chosen_ref_logp": -3.0, "rejected_ref_logp": -1.5},
]
JUDGED = [
    {"prompt_ids": [1], "completion_ids": [6, 2], "desirable": True, "ref_logp": -1.0},
    {"prompt_ids": [1], "completion_ids": [7, 8, 2], "desirable": False, "ref_logp": -2.0},
]
RANKED = [
    {"prompt_ids": [1], "ranked_ids": [[6, 2], [7, 2]], "ranked_ref_logps": [-1.0, -2.0]},
    {"prompt_ids": [1, 5], "ranked_ids": [[6, 2], [2], [7, 8, 2]], "ranked_ref_logps": [-1.0, -0.5, -3.0]},
]
RANKED_SUMS = [-0.5, -3.5, -2.0, -1.5, -1.0]
#: What the policy says of the completions of the pairs: the chosen ones, then the rejected ones.
CHOSEN, REJECTED = [-0.5, -4.0, -2.0], [-3.5, -0.7, -0.5]


def without_reference(rows):
    return [{name: value for name, value in row.items() if "ref_logp" not in name} for row in rows]


def scored_as(batch, sums):
    """Return scores whose sums over each completion are these, the whole of it on its first token."""
    weights = batch.sequences.completion_mask[:, 1:]
    log_probs = torch.zeros_like(weights)
    for row, total in enumerate(sums):
        for place in weights[row].nonzero()[:1].flatten().tolist():
            log_probs[row, place] = total
    return Scored(log_probs, weights)


def alone(values):
    return values


def given(rows, sums):
    batch = Collate(0)(rows)
    return batch, scored_as(batch, sums)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


# ---- losses -------------------------------------------------------------------------------------------


def test_dpo_of_pairs_by_hand():
    losses = Objective("dpo", {"beta": 0.5}).losses(*given(PAIRS, CHOSEN + REJECTED), alone)
    deltas = [(-0.5 + 1) - (-3.5 + 2), (-4 + 3) - (-0.7 + 0.5), (-2 + 3) - (-0.5 + 1.5)]
    assert losses.tolist() == pytest.approx([-math.log(sigmoid(0.5 * delta)) for delta in deltas], rel=1e-5)


def test_the_likelihood_of_chosen_ones_is_added_per_token():
    batch, scored = given(PAIRS, CHOSEN + REJECTED)
    plain = Objective("dpo").losses(batch, scored, alone)
    more = Objective("dpo", nll=0.3).losses(batch, scored, alone)
    expected = [0.3 * -total / tokens for total, tokens in zip(CHOSEN, [2, 3, 2], strict=True)]
    assert (more - plain).tolist() == pytest.approx(expected, rel=1e-5)


def test_rankings_by_hand():
    losses = Objective("softmax_dpo", {"beta": 0.5}).losses(*given(RANKED, RANKED_SUMS), alone)
    scores = [[0.25, -0.75], [-0.5, -0.5, 1.0]]  # beta * (sums - reference)
    wanted = [-math.log(math.exp(row[0]) / sum(map(math.exp, row))) for row in scores]
    assert losses.tolist() == pytest.approx(wanted, rel=1e-5)
    whole = Objective("plackett_luce", {"beta": 0.5}).losses(*given(RANKED, RANKED_SUMS), alone)
    rest = -math.log(math.exp(-0.5) / (math.exp(-0.5) + math.exp(1.0)))
    assert whole.tolist() == pytest.approx([wanted[0], wanted[1] + rest], rel=1e-5)


def test_imitation_is_per_token_of_its_own_row():
    rows = [{"prompt_ids": [1], "completion_ids": [6, 7, 8, 2]}, {"prompt_ids": [1], "completion_ids": [2]}]
    losses = Objective().losses(*given(rows, [-6.0, -3.0]), alone)
    assert losses.tolist() == [1.5, 3.0]
    empty = [{"prompt_ids": [1, 5], "completion_ids": []}]
    assert Objective().losses(*given(empty, [0.0]), alone).tolist() == [0.0]


def test_baselines_are_of_all_ranks():
    mismatched = [{**row, "mismatched_ids": [9, 2], "mismatched_ref_logp": -2.0} for row in JUDGED]
    batch, scored = given(mismatched, [-0.5, -2.5, -1.0, -1.6])

    def losses(baseline):
        ratios = [-0.5 + 1, -2.5 + 2]
        return [1 - sigmoid(0.1 * (ratios[0] - baseline)), 1 - sigmoid(0.1 * (baseline - ratios[1]))]

    # this rank's mismatched ratios are 1.0 and 0.4; the other rank's two add up to 4.6
    objective = Objective("kto")
    assert objective.losses(batch, scored, alone).tolist() == pytest.approx(losses(0.7), rel=1e-5)
    both = objective.losses(batch, scored, lambda sums: sums + torch.tensor([4.6, 2.0]))
    assert both.tolist() == pytest.approx(losses(1.5), rel=1e-5)


@pytest.mark.parametrize(
    ("rows", "objective", "message"),
    [
        (without_reference(PAIRS), Objective("dpo"), "reference.*ReferenceLogProbs.*simpo"),
        (PAIRS, Objective("kto"), "kto was given PairLogProbs"),
        (PAIRS, Objective("softmax_dpo"), "softmax_dpo was given PairLogProbs"),
        (JUDGED, Objective("dpo"), "dpo was given UnpairedLogProbs"),
    ],
)
def test_rows_that_the_loss_cannot_take_name_the_remedy(rows, objective, message):
    sums = (CHOSEN + REJECTED) if len(rows) == 3 else [-1.0, -1.0]
    with pytest.raises(DataError, match=message):
        objective.losses(*given(rows, sums), alone)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "dop"}, "no loss 'dop'.*dpo"),
        ({"loss": "dpo", "arguments": {"beta": -1}}, "beta"),
        ({"supervised": "stf"}, "no loss 'stf'"),
        ({"supervised": "dpo"}, r"supervised='dpo'.*pairs.*sft"),
        ({"loss": "sft"}, r"loss='sft'.*supervised.*dpo"),
        ({"supervised": "softmax_dpo"}, r"supervised='softmax_dpo'.*ranked.*sft"),
        ({"nll": -0.1}, "nll.*-0.1"),
        ({"nll": float("nan")}, "nll.*nan"),
        ({"loss": "kto", "nll": 0.1}, "nll.*pairs.*kto"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_made(arguments, message):
    with pytest.raises(SetupError, match=message):
        Objective(**arguments)


# ---- metrics ------------------------------------------------------------------------------------------


def measured(objective, rows, sums):
    return {name: value.tolist() for name, value in objective.metrics(*given(rows, sums)).items()}


def test_metrics_of_pairs_by_hand():
    found = measured(Objective("dpo", {"beta": 0.5}), PAIRS, CHOSEN + REJECTED)
    expected = {
        "logps/chosen": CHOSEN,
        "logps/rejected": REJECTED,
        "logps_per_token/chosen": [-0.25, -4 / 3, -1.0],
        "logps_per_token/rejected": [-3.5 / 3, -0.7, -0.5],
        "tokens/chosen": [2, 3, 2],
        "tokens/rejected": [3, 1, 1],
        "rewards/chosen": [0.25, -0.5, 0.5],
        "rewards/rejected": [-0.75, -0.1, 0.5],
        "rewards/margins": [1.0, -0.4, 0.0],
        "rewards/accuracies": [1.0, 0.0, 0.5],
        "rewards/ties": [0.0, 0.0, 1.0],
        "logps/chosen_drift": [0.5, -1.0, 1.0],
    }
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, abs=1e-6), name


def test_metrics_of_rankings_are_those_of_the_best_and_its_strongest_rival():
    found = measured(Objective("softmax_dpo", {"beta": 0.5}), RANKED, RANKED_SUMS)
    expected = {
        "logps/chosen": [-0.5, -2.0],
        "logps/rejected": [-3.5, -1.0],
        "tokens/rejected": [2, 3],
        "rewards/chosen": [0.25, -0.5],
        "rewards/rejected": [-0.75, 1.0],
        "rewards/margins": [1.0, -1.5],
        "rewards/accuracies": [1.0, 0.0],
    }
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, abs=1e-6), name


def test_the_strongest_rival_without_reference_is_the_most_likely_per_token():
    found = measured(Objective("rrhf"), [{**row, "ranked_ref_logps": None} for row in RANKED], RANKED_SUMS)
    assert found["logps/rejected"] == pytest.approx([-3.5, -1.0])
    assert not any(name.startswith("rewards") for name in found)


def test_metrics_without_reference_have_no_rewards():
    found = measured(Objective("simpo"), without_reference(PAIRS), CHOSEN + REJECTED)
    assert not any(name.startswith("rewards") or "drift" in name for name in found)
    assert found["logps/chosen"] == CHOSEN


def test_metrics_of_judged_completions_know_which_are_which():
    found = measured(Objective("kto"), JUDGED, [-0.5, -2.5])
    assert found["rewards/desirable"] == [pytest.approx(0.05), pytest.approx(math.nan, nan_ok=True)]
    assert found["rewards/undesirable"] == [pytest.approx(math.nan, nan_ok=True), pytest.approx(-0.05)]
    assert found["logps_per_token/completion"] == pytest.approx([-0.25, -2.5 / 3])


def test_metrics_of_judged_completions_leave_mismatched_ones_out():
    rows = [{**row, "mismatched_ids": [9, 2], "mismatched_ref_logp": -2.0} for row in JUDGED]
    found = measured(Objective("kto"), rows, [-0.5, -2.5, -1.0, -1.0])
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(found, 2)
    assert found["rewards/desirable"][0] == pytest.approx(0.05)
    assert found["logps/completion"] == [-0.5, -2.5]


def test_metrics_need_no_gradient():
    batch, scored = given(PAIRS, CHOSEN + REJECTED)
    scored = Scored(scored.log_probs.requires_grad_(), scored.weights)
    assert not any(value.requires_grad for value in Objective().metrics(batch, scored).values())


@pytest.mark.parametrize(
    ("name", "arguments", "beta"),
    [("dpo", {}, 0.1), ("dpo", {"beta": 0.3}, 0.3), ("sppo", {}, 0.001), ("discopop", {}, 0.05), ("nft", {}, 1.0)],
)
def test_rewards_are_scaled_as_the_loss_scales_them(name, arguments, beta):
    assert Objective(name, arguments).beta == beta


# ---- the check of the reference -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "off", "raises"),
    [
        (torch.float32, 0.0005, False),
        (torch.float32, 0.002, True),
        (torch.float64, 0.002, True),
        (torch.bfloat16, 0.2, False),
        (torch.bfloat16, 0.6, True),
        (torch.float16, 0.03, False),
        (torch.float16, 0.07, True),
        (torch.float32, math.nan, True),
        (torch.bfloat16, math.nan, True),
    ],
)
def test_a_reference_must_agree_as_far_as_the_precision_lets_it(kind, off, raises):
    own = [-1.0, -3.0, -3.0, -2.0, -0.5, -1.5 + off]
    batch, scored = given(PAIRS, own)
    if raises:
        with pytest.raises(SetupError, match="its own reference.*differ by up to.*nats"):
            reference_error(batch, scored, kind)
    else:
        assert reference_error(batch, scored, kind) == pytest.approx(off, abs=1e-6)


def test_then_the_loss_is_ln_2_and_every_margin_0():
    batch, scored = given(PAIRS, [-1.0, -3.0, -3.0, -2.0, -0.5, -1.5])
    assert reference_error(batch, scored, torch.float32) == 0
    assert Objective("dpo").losses(batch, scored, alone).tolist() == pytest.approx([math.log(2)] * 3)
    assert Objective("dpo").metrics(batch, scored)["rewards/margins"].tolist() == [0, 0, 0]


def test_rankings_are_compared_with_theirs():
    values = [value for row in RANKED for value in row["ranked_ref_logps"]]
    assert reference_error(*given(RANKED, values), torch.float32) == 0
    with pytest.raises(SetupError, match="differ by up to 2 nats"):
        reference_error(*given(RANKED, [*values[:-1], values[-1] - 2]), torch.float32)


def test_rows_without_reference_are_not_compared():
    assert reference_error(*given(without_reference(RANKED), RANKED_SUMS), torch.float32) == 0
    assert reference_error(*given(without_reference(PAIRS), CHOSEN + REJECTED), torch.float32) == 0


def test_judged_rows_are_compared_without_their_mismatched_ones():
    rows = [{**row, "mismatched_ids": [9, 2]} for row in JUDGED]
    assert reference_error(*given(rows, [-1.0, -2.0, -50.0, -60.0]), torch.float32) == 0
    with pytest.raises(SetupError, match="50 nats"):
        reference_error(*given(rows, [-1.0, -52.0, -50.0, -60.0]), torch.float32)
