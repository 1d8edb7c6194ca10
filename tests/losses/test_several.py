"""Rankings: probabilities of orders, and places without completions."""

from dataclasses import replace
from itertools import permutations

import pytest
import torch

from lit_iterative.losses.dpo import dpo
from lit_iterative.losses.several import plackett_luce, rrhf, softmax_dpo
from lit_iterative.losses.testing import pairs, ranked
from tests.losses.test_oracles import trainable


@pytest.mark.parametrize("loss", [softmax_dpo, plackett_luce])
def test_of_two_it_is_dpo(loss):
    torch.testing.assert_close(loss(ranked(2.0, -1.0), beta=0.3), dpo(pairs(2.0, -1.0), beta=0.3))


@pytest.mark.parametrize("loss", [softmax_dpo, plackett_luce])
def test_of_one_it_is_nothing(loss):
    assert loss(ranked(2.0)).item() == 0


def test_the_probabilities_of_all_orders_add_up_to_one():
    ratios = (2.0, -1.0, 0.5, 4.0)
    total = sum(torch.exp(-plackett_luce(ranked(*order), beta=0.3)) for order in permutations(ratios))
    torch.testing.assert_close(total, torch.ones(1))


def test_the_probabilities_of_all_winners_add_up_to_one():
    ratios = (2.0, -1.0, 0.5, 4.0)
    winners = ([ratio, *(other for other in ratios if other != ratio)] for ratio in ratios)
    total = sum(torch.exp(-softmax_dpo(ranked(*order), beta=0.3)) for order in winners)
    torch.testing.assert_close(total, torch.ones(1))


@pytest.mark.parametrize("loss", [softmax_dpo, plackett_luce])
@pytest.mark.parametrize("filler", [0.0, 500.0, float("-inf")])
def test_places_without_completions_count_nothing(loss, filler):
    rows = [{"completions": [-18.0, -21.0, filler], "tokens": [5, 5, 0], "reference": [-20.0, -20.0, 0.0]}]
    batch, (leaf,) = trainable("ranked", rows, torch.float64)
    mask = torch.tensor([[True, True, False]])
    losses = loss(replace(batch, mask=mask))
    torch.testing.assert_close(losses, dpo(pairs(2.0, -1.0)).double())
    losses.sum().backward()
    assert leaf.grad[0, 2] == 0
    assert leaf.grad.isfinite().all()


def test_equal_scores_are_not_compared():
    batch = replace(ranked(0.0, -1.0, 1.0), reference=None)
    scored = replace(batch, scores=torch.tensor([[float("nan"), 0.5, 0.5]]))
    # per token -2, -2.1 and -1.9: the third is 0.1 above the first and 0.2 above the second
    assert rrhf(batch, alpha=0.0).item() == pytest.approx(0.3)
    assert rrhf(scored, alpha=0.0).item() == pytest.approx(0.1)


@pytest.mark.parametrize("filler", [0.0, 500.0, float("-inf")])
def test_places_without_completions_have_no_slope(filler):
    rows = [{"completions": [-18.0, -15.0, filler], "tokens": [5, 5, 0]}]
    batch, (leaf,) = trainable("ranked", [{**rows[0], "reference": [0.0] * 3}], torch.float64)
    losses = rrhf(replace(batch, mask=torch.tensor([[True, True, False]])))
    assert losses.item() == pytest.approx(0.6 + 3.6)
    losses.sum().backward()
    assert leaf.grad[0].tolist() == pytest.approx([-0.4, 0.2, 0.0])
