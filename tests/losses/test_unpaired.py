"""Labelled completions: baselines that add up over batches, and what each label does."""

from dataclasses import replace

import pytest
import torch

from lit_iterative.errors import DataError
from lit_iterative.losses.batch import UnpairedLogProbs
from lit_iterative.losses.testing import unpaired
from lit_iterative.losses.unpaired import bco, bco_baseline, bco_statistics, kto, kto_baseline, kto_statistics, nft
from tests.losses.rows import CASES, single, unpaired_batch
from tests.losses.test_oracles import trainable

ROWS = CASES["unpaired"]["ordinary"]


def mismatched(ratios):
    zero = torch.zeros(len(ratios), dtype=torch.float64)
    policy = torch.tensor(ratios, dtype=torch.float64, requires_grad=True)
    return UnpairedLogProbs(zero, zero, zero > 0, zero, mismatched=policy, reference_mismatched=zero)


@pytest.mark.parametrize(("ratios", "expected"), [([1.0, -0.5, 4.0], 1.5), ([1.0, -4.0], 0.0), ([0.0], 0.0)])
def test_kto_baseline_is_the_mean_unless_it_is_negative(ratios, expected):
    baseline = kto_baseline(kto_statistics(mismatched(ratios)))
    assert baseline.item() == pytest.approx(expected)
    assert not baseline.requires_grad


def test_kto_baseline_of_parts_is_that_of_the_whole():
    """A rank with a negative mean must not be cut off at 0 by itself."""
    parts = kto_statistics(mismatched([-3.0, -1.0])) + kto_statistics(mismatched([9.0]))
    assert kto_baseline(parts).item() == pytest.approx(5 / 3)


def test_no_rows_give_the_baseline_zero():
    assert kto_baseline(torch.zeros(2)).item() == 0
    assert bco_baseline(torch.zeros(2, 2)).item() == 0


def test_bco_baseline_is_the_mean_of_both_classes_means():
    """Nine good rows must not outweigh one bad row."""
    rows = [single(2.0, True)] * 9 + [single(-4.0, False)]
    assert bco_baseline(bco_statistics(unpaired_batch(rows, torch.float64))).item() == pytest.approx(-1.0)


@pytest.mark.parametrize("good", [True, False])
def test_bco_baseline_of_one_class_is_its_mean(good):
    rows = [single(2.0, good), single(3.0, good)]
    assert bco_baseline(bco_statistics(unpaired_batch(rows, torch.float64))).item() == pytest.approx(2.5)


def test_bco_statistics_add_up():
    whole = bco_statistics(unpaired_batch(ROWS, torch.float64))
    parts = (bco_statistics(unpaired_batch(part, torch.float64)) for part in (ROWS[:5], ROWS[5:]))
    torch.testing.assert_close(sum(parts), whole)
    by_hand = [[row["completion"] - row["reference"] for row in ROWS if row["desirable"] == good] for good in (1, 0)]
    torch.testing.assert_close(whole, torch.tensor([[sum(r), len(r)] for r in by_hand], dtype=torch.float64))


@pytest.mark.parametrize("loss", [kto, bco])
def test_baselines_get_no_gradient(loss):
    baseline = torch.tensor(0.5, requires_grad=True)
    assert not loss(unpaired(2.0), baseline).requires_grad


@pytest.mark.parametrize("loss", [kto, bco])
def test_labels_turn_the_sign_about_the_baseline(loss):
    baseline = torch.tensor(0.5)
    torch.testing.assert_close(loss(unpaired(2.5, True), baseline), loss(unpaired(-1.5, False), baseline))


def test_kto_without_mismatched_completions_says_what_to_do():
    with pytest.raises(DataError, match="'mismatched'.*keep the baseline at 0"):
        kto_statistics(unpaired(2.0))


def test_nft_gradients_of_a_prompt_cancel_on_policy():
    """At the start, good rows together push as hard as bad rows together: r (1 - r) each."""
    rows = [single(0.0, index < 3, pass_rate=3 / 8) for index in range(8)]
    batch, (leaf,) = trainable("unpaired", rows, torch.float64)
    nft(batch).sum().backward()
    assert leaf.grad.sum().item() == pytest.approx(0, abs=1e-12)
    assert leaf.grad[0].item() == pytest.approx(-5 / 8)
    assert leaf.grad[7].item() == pytest.approx(3 / 8)


def test_nft_still_pushes_where_the_likelihood_is_bounded():
    for ratio in (0.5, 8.0, 50.0, 1000.0):
        batch, (leaf,) = trainable("unpaired", [single(ratio, False)], torch.float32)
        loss = nft(batch)
        loss.sum().backward()
        assert loss.item() == 0  # -log of epsilon
        assert leaf.grad.isfinite().all()
        assert leaf.grad.item() > 0


def test_nft_needs_the_pass_rate():
    batch = replace(unpaired_batch(ROWS, torch.float64), pass_rate=None)
    with pytest.raises(DataError, match="'pass_rate'.*share of right answers"):
        nft(batch)
