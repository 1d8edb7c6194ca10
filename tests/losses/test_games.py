"""Losses of games are least where win rates say."""

import pytest
import torch

from lit_iterative.losses.dpo import dpo
from lit_iterative.losses.games import irepo, spin, sppo, sppo_hard
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


def test_irepo_is_least_at_the_logit():
    preference = torch.sigmoid(torch.tensor(0.3)).item()
    assert irepo(pairs(2.0, -1.0, preference=preference)).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("preference", [0.0, 1.0])
def test_irepo_of_a_certain_label_is_finite_and_the_same_in_both_directions(preference):
    sign = 2 * preference - 1
    loss = irepo(pairs(2.0 * sign, -1.0 * sign, preference=preference))
    torch.testing.assert_close(loss, irepo(pairs(2.0, -1.0, preference=1.0)))
    assert loss.isfinite().all()
