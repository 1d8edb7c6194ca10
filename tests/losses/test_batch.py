"""Batches refuse what would be wrong without a word."""

from dataclasses import replace

import pytest
import torch

from lit_iterative.errors import DataError
from lit_iterative.losses.batch import RankedLogProbs, SequenceLogProbs
from lit_iterative.losses.testing import pairs, ranked, sequences, unpaired


@pytest.mark.parametrize("batch", [pairs(), sequences(), unpaired(), ranked(1.0, 2.0)])
def test_without_a_reference_the_remedy_is_told(batch):
    fields = [field for field in vars(batch) if field.startswith("reference")]
    without = replace(batch, **dict.fromkeys(fields))
    with pytest.raises(DataError, match=r"'reference.*Put ReferenceLogProbs\(\.\.\.\) at the end of the pipeline"):
        _ = without.delta if hasattr(type(batch), "delta") else without.ratio


def test_only_one_side_of_the_reference_is_not_enough():
    with pytest.raises(DataError, match="'reference_rejected'"):
        _ = replace(pairs(), reference_rejected=None).delta


def test_shapes_must_agree():
    with pytest.raises(DataError, match=r"chosen of shape \(1,\) but reference_chosen of shape \(2,\)"):
        replace(pairs(), reference_chosen=torch.zeros(2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int64])
def test_imprecise_sums_are_refused(dtype):
    with pytest.raises(DataError, match="Take log-softmax and the sum over tokens in float32"):
        SequenceLogProbs(torch.zeros(3, dtype=dtype), torch.ones(3))


def test_rankings_have_two_dimensions():
    with pytest.raises(DataError, match=r"of shape \(3,\). Give one row a prompt"):
        RankedLogProbs(torch.zeros(3), torch.ones(3))


def test_margins():
    batch = pairs(2.0, -1.0)
    assert batch.delta.item() == 3
    assert batch.mean_delta.item() == pytest.approx(2 / 10 + 1 / 5)
    assert (batch.chosen_mean.item(), batch.rejected_mean.item()) == pytest.approx((-1.8, -4.2))
