"""Losses of games are least where win rates say."""

import pytest
import torch

from lit_iterative.losses.batch import PairLogProbs
from lit_iterative.losses.dpo import dpo
from lit_iterative.losses.games import irepo, rspo, spin, sppo, sppo_hard
from lit_iterative.losses.testing import pairs


def test_spin_is_dpo():
    assert torch.equal(spin(pairs(2.0, -1.0), beta=0.3), dpo(pairs(2.0, -1.0), beta=0.3))


def test_sppo_is_least_at_the_win_rates():
    """(0.75 - 0.5) / 0.1 = 2.5 and (0.3 - 0.5) / 0.1 = -2."""
    there = pairs(2.5, -2.0, chosen_win_rate=0.75, rejected_win_rate=0.3)
    assert sppo(there, beta=0.1).item() == pytest.approx(0, abs=1e-9)


def test_hard_sppo_is_sppo_of_certain_games():
    certain = pairs(2.0, -1.0, chosen_win_rate=1.0, rejected_win_rate=0.0)
    torch.testing.assert_close(sppo_hard(pairs(2.0, -1.0)), sppo(certain))


def test_rspo_where_the_policy_is_its_own_anchor_is_sppo():
    there = {"chosen_win_rate": 0.75, "rejected_win_rate": 0.3, "anchor_chosen": -18.0, "anchor_rejected": -21.0}
    torch.testing.assert_close(rspo(pairs(2.0, -1.0, **there)), sppo(pairs(2.0, -1.0, **there)))


def test_rspo_s_gradients_are_those_of_the_divergences():
    """Three completions, drawn by the policy itself: the mean of the gradients is the gradient of each divergence."""
    logits = torch.tensor([0.3, -0.2, 0.9], dtype=torch.float64, requires_grad=True)
    anchor = torch.tensor([0.1, 0.5, 1.4], dtype=torch.float64).log_softmax(0) - 3  # so that no weight is cut
    policy = logits.log_softmax(0)
    even = torch.full((3,), 0.5, dtype=torch.float64)
    tokens = torch.ones(3, dtype=torch.int64)
    drawn = PairLogProbs(
        policy, policy, tokens, tokens, policy, policy, None, even, even, anchor_chosen=anchor, anchor_rejected=anchor
    )
    divergences = {
        "reverse": (policy.exp() * (policy - anchor)).sum(),
        "forward": (anchor.exp() * (anchor - policy)).sum(),
    }
    for name, divergence in divergences.items():
        weights = {"reverse": 0.0, "forward": 0.0, name: 1.0}
        base = (policy.detach().exp() * (rspo(drawn, **weights) - sppo(drawn))).sum()
        (mine,) = torch.autograd.grad(base, logits, retain_graph=True)
        (true,) = torch.autograd.grad(divergence, logits, retain_graph=True)
        torch.testing.assert_close(mine, true)


def test_irepo_is_least_at_the_logit():
    preference = torch.sigmoid(torch.tensor(0.3)).item()
    assert irepo(pairs(2.0, -1.0, preference=preference)).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("preference", [0.0, 1.0])
def test_irepo_of_a_certain_label_is_finite_and_the_same_in_both_directions(preference):
    sign = 2 * preference - 1
    loss = irepo(pairs(2.0 * sign, -1.0 * sign, preference=preference))
    torch.testing.assert_close(loss, irepo(pairs(2.0, -1.0, preference=1.0)))
    assert loss.isfinite().all()
