"""DPO and its relatives: where they are least, where they agree, and what they do at the start of a round."""

import math

import pytest
import torch

from lit_iterative.losses.dpo import discopop, dpo, dpop, hinge, ipo
from lit_iterative.losses.table import LOSSES, find_loss
from lit_iterative.losses.testing import pairs
from tests.losses.rows import CASES, pair, pair_batch
from tests.losses.test_oracles import trainable

#: Losses that say ln 2 to a pair that policy and reference agree on, with equal lengths, whatever beta is.
LOGISTIC = ["dpo", "soft_dpo", "cdpo", "robust_dpo", "aot_paired", "aot_unpaired", "spin", "normalised_dpo", "dpop"]
LOGISTIC += ["r_dpo", "f_reverse_kl", "f_forward_kl", "f_js", "f_alpha"]


@pytest.mark.parametrize("beta", [0.01, 0.1, 3.0])
@pytest.mark.parametrize("name", LOGISTIC)
def test_ln_2_where_policy_and_reference_agree(name, beta):
    batch = pair_batch([pair(0.0, 0.0, tokens=(5, 5))] * 3, torch.float64)
    torch.testing.assert_close(find_loss(name, {"beta": beta})(batch), torch.full((3,), math.log(2)).double())


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.kind == "pairs"])
def test_gradients_are_finite_where_policy_and_reference_agree(name):
    batch, leaves = trainable("pairs", [pair(0.0, 0.0)] * 3, torch.float32)
    find_loss(name)(batch).sum().backward()
    assert all(leaf.grad.isfinite().all() for leaf in leaves)


def test_the_first_step_moves_both_sides_by_half_of_beta():
    batch, (chosen, rejected) = trainable("pairs", [pair(0.0, 0.0)], torch.float64)
    dpo(batch, beta=0.3).sum().backward()
    assert (chosen.grad.item(), rejected.grad.item()) == pytest.approx((-0.15, 0.15))


def test_swapping_a_pair_adds_its_margin():
    margin = 0.1 * pairs(2.0, -1.0).delta
    torch.testing.assert_close(dpo(pairs(-1.0, 2.0)) - dpo(pairs(2.0, -1.0)), margin)


def test_hinge_is_done_at_its_margin():
    assert hinge(pairs(6.0, -4.0), beta=0.1).item() == 0
    assert hinge(pairs(6.0, -3.5), beta=0.1).item() == pytest.approx(0.05)


def test_ipo_is_least_at_its_margin():
    assert ipo(pairs(4.0, -1.0), beta=0.1, per_token=False).item() == 0
    assert ipo(pairs(40.0, -5.0), beta=0.1).item() == 0  # 40 nats in 10 tokens, -5 in 5


def test_dpop_is_dpo_while_the_chosen_completion_does_not_lose():
    assert torch.equal(dpop(pairs(0.5, -3.0)), dpo(pairs(0.5, -3.0)))
    assert dpop(pairs(-0.5, -4.0)) > dpo(pairs(-0.5, -4.0))


def test_dpop_starts_like_dpo():
    slopes = []
    for loss in (dpo, dpop):
        batch, (chosen, _) = trainable("pairs", [pair(0.0, 0.0)], torch.float64)
        loss(batch).sum().backward()
        slopes.append(chosen.grad.item())
    assert slopes[0] == slopes[1]


def test_discopop_is_logistic_for_wrong_and_exponential_for_right_margins():
    wrong, right = pairs(-5.0, 5.0), pairs(5.0, -5.0)
    torch.testing.assert_close(discopop(wrong, beta=0.2), dpo(wrong, beta=0.2))
    torch.testing.assert_close(discopop(right, beta=0.2), torch.exp(-0.2 * right.delta))


def test_far_cases_are_as_far_as_they_say():
    rows = CASES["pairs"]["far and wrong"]
    assert min(row["chosen"] for row in rows) <= -10_000
    assert pair_batch(rows, torch.float64).delta.min() <= -1_000
