"""Optimal transport: the batch's order does not matter, and losses stand in the rows that they came from."""

from dataclasses import replace

import pytest
import torch

from lit_iterative.losses.dpo import dpo
from lit_iterative.losses.table import find_loss
from lit_iterative.losses.transport import aot_paired, aot_unpaired
from tests.losses.rows import CASES, pair_batch

ROWS = CASES["pairs"]["ordinary"]


@pytest.mark.parametrize("loss", [aot_paired, aot_unpaired])
def test_one_pair_alone_is_dpo(loss):
    batch = pair_batch(ROWS[:1], torch.float64)
    torch.testing.assert_close(loss(batch), dpo(batch))


@pytest.mark.parametrize("loss", [aot_paired, aot_unpaired])
def test_losses_move_with_their_rows(loss):
    order = [3, 0, 7, 1, 6, 2, 5, 4]
    shuffled = loss(pair_batch([ROWS[index] for index in order], torch.float64))
    torch.testing.assert_close(shuffled, loss(pair_batch(ROWS, torch.float64))[order])


def test_unpaired_rejected_completions_may_stand_anywhere():
    batch = pair_batch(ROWS, torch.float64)
    names = ("rejected", "rejected_tokens", "reference_rejected")
    moved = replace(batch, **{name: getattr(batch, name).roll(3) for name in names})
    torch.testing.assert_close(aot_unpaired(moved), aot_unpaired(batch))
    assert not torch.allclose(aot_paired(moved), aot_paired(batch))


def test_smoothing_counts():
    batch = pair_batch(ROWS[:1], torch.float64)
    smoothed = find_loss("aot_paired", {"label_smoothing": 0.2})(batch)
    torch.testing.assert_close(smoothed, find_loss("cdpo", {"label_smoothing": 0.2})(batch))
