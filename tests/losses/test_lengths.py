"""Length: what longer completions gain or lose."""

from dataclasses import replace

import pytest
import torch

from lit_iterative.losses.dpo import dpo
from lit_iterative.losses.lengths import desensitised_weights, normalised_dpo, r_dpo
from lit_iterative.losses.testing import pairs
from tests.losses.rows import pair
from tests.losses.test_oracles import trainable


def test_without_a_price_of_tokens_it_is_dpo():
    assert torch.equal(r_dpo(pairs(2.0, -1.0), alpha=0.0), dpo(pairs(2.0, -1.0)))


def test_a_longer_chosen_completion_is_pushed_up_less():
    rows = [pair(0.5, 0.5, tokens=tokens) for tokens in ((30, 10), (20, 20), (10, 30))]
    batch, (chosen, _) = trainable("pairs", rows, torch.float64)
    r_dpo(batch, alpha=0.05).sum().backward()
    longer, equal, shorter = chosen.grad.tolist()
    assert shorter < equal < longer < 0


def test_normalised_dpo_is_the_same_for_completions_twice_as_long():
    once = pairs(2.0, -1.0)
    twice = replace(pairs(4.0, -2.0), chosen_tokens=2 * once.chosen_tokens, rejected_tokens=2 * once.rejected_tokens)
    torch.testing.assert_close(normalised_dpo(twice), normalised_dpo(once))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_desensitised_weights(alpha):
    tokens, others = [4, 2, 0, 3], [2, 4, 3, 3]
    expected = [
        [1.0 if t < min(n, m) else alpha if t < n else 0.0 for t in range(5)]
        for n, m in zip(tokens, others, strict=True)
    ]
    weights = desensitised_weights(torch.tensor(tokens), torch.tensor(others), width=5, alpha=alpha)
    torch.testing.assert_close(weights, torch.tensor(expected))
