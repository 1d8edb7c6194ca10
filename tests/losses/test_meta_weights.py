"""Weights of rows against their definition: a step on a row, and what it does to the clean loss."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from lit_iterative.losses.meta_weights import meta_weights


def network() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def data(rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 3, generator=draw, dtype=torch.float64), torch.randint(2, (rows,), generator=draw)


def test_a_row_weighs_what_a_step_on_it_gains() -> None:
    model, (x, y), (clean_x, clean_y) = network(), data(6, 0), data(4, 1)
    weights = meta_weights(
        cross_entropy(model(x), y, reduction="none"), cross_entropy(model(clean_x), clean_y), model.parameters()
    )
    gains = []
    for row in range(6):
        stepped, size = network(), 1e-6
        loss = cross_entropy(stepped(x[row : row + 1]), y[row : row + 1])
        slopes = torch.autograd.grad(loss, list(stepped.parameters()))
        before = cross_entropy(stepped(clean_x), clean_y).item()
        with torch.no_grad():
            for parameter, slope in zip(stepped.parameters(), slopes, strict=True):
                parameter -= size * slope
        gains.append(max(0.0, (before - cross_entropy(stepped(clean_x), clean_y).item()) / size))
    assert 0 < sum(gain > 0 for gain in gains) < 6, "the example is too easy"
    assert weights.tolist() == pytest.approx([gain / sum(gains) for gain in gains], abs=1e-4)
    assert not weights.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())


def test_where_no_row_helps_all_weights_are_0() -> None:
    model, (x, y) = network(), data(3, 0)
    losses = cross_entropy(model(x), y, reduction="none")
    assert meta_weights(losses, -losses[:1].sum() - losses[1:].sum() * 100, model.parameters()).sum() >= 0
    assert meta_weights(losses[:1], -losses[:1].sum(), model.parameters()).tolist() == [0.0]


def test_parameters_that_play_no_part_do_not_count() -> None:
    model, (x, y) = network(), data(3, 0)
    losses = cross_entropy(model(x), y, reduction="none")
    alone = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    with_alone = meta_weights(losses, losses.mean(), [*model.parameters(), alone])
    assert with_alone.equal(meta_weights(losses, losses.mean(), model.parameters()))
    assert meta_weights(losses, losses.mean(), [alone]).tolist() == [0.0, 0.0, 0.0]
