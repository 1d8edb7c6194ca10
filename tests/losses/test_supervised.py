"""Imitation: what a mean over tokens and one over rows are."""

import pytest
import torch

from lit_iterative.losses.reduction import weighted_mean
from lit_iterative.losses.supervised import kl_sft, sequence_sft, sft
from lit_iterative.losses.table import LOSSES
from lit_iterative.losses.testing import sequences
from tests.losses.rows import CASES, sequence_batch

BATCH = sequence_batch(CASES["supervised"]["ordinary"], torch.float64)


def test_over_tokens_it_is_cross_entropy():
    logits, targets = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 3, 1, 4, 2, 2])
    log_probs = logits.log_softmax(1)[torch.arange(6), targets]
    batch = sequences()
    whole = type(batch)(torch.stack([log_probs[:4].sum(), log_probs[4:].sum()]), torch.tensor([4, 2]))
    mean = weighted_mean(sft(whole), counts=whole.tokens)
    torch.testing.assert_close(mean, torch.nn.functional.cross_entropy(logits, targets))


def test_over_rows_each_counts_alike():
    rows = [total / count for total, count in zip(BATCH.completion.tolist(), BATCH.tokens.tolist(), strict=True)]
    assert weighted_mean(sequence_sft(BATCH)).item() == pytest.approx(-sum(rows) / len(rows))


def test_without_weight_the_divergence_is_gone():
    assert torch.equal(kl_sft(BATCH, beta=0.0), sft(BATCH))


def test_units_of_the_table():
    units = {name: loss.unit for name, loss in LOSSES.items() if loss.kind == "supervised"}
    assert units == {"sft": "token", "sequence_sft": "row", "kl_sft": "token"}
