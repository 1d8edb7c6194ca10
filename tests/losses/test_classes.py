"""Losses of class labels against their formulas, row by row in float64."""

import math

import pytest
import torch
from torch import Tensor

from lit_iterative.errors import DataError
from lit_iterative.losses.classes import generalised_cross_entropy, mean_entropy, prior_divergence

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0], [30.0, -30.0, 0.0]], dtype=torch.float64)
SOFT = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.5, 0.25, 0.25]], dtype=torch.float64)
HARD = torch.tensor([2, 1, 0])


def probs(row: Tensor) -> list[float]:
    total = sum(math.exp(x) for x in row.tolist())
    return [math.exp(x) / total for x in row.tolist()]


@pytest.mark.parametrize("q", [0.3, 0.8, 1.0])
def test_generalised_cross_entropy(q: float) -> None:
    expected = [
        sum(y * (1 - p**q) / q for y, p in zip(label.tolist(), probs(row), strict=True))
        for row, label in zip(LOGITS, SOFT, strict=True)
    ]
    assert generalised_cross_entropy(LOGITS, SOFT, q).tolist() == pytest.approx(expected, abs=1e-12)
    hard = [(1 - probs(row)[label] ** q) / q for row, label in zip(LOGITS, HARD.tolist(), strict=True)]
    assert generalised_cross_entropy(LOGITS, HARD, q).tolist() == pytest.approx(hard, abs=1e-12)


def test_its_limit_is_cross_entropy() -> None:
    expected = [-math.log(probs(row)[label]) for row, label in zip(LOGITS, HARD.tolist(), strict=True)]
    assert generalised_cross_entropy(LOGITS, HARD, 0.0).tolist() == pytest.approx(expected, abs=1e-12)
    assert generalised_cross_entropy(LOGITS, HARD, 1e-7).tolist() == pytest.approx(expected, abs=1e-5)
    with pytest.raises(DataError, match="q=1.5"):
        generalised_cross_entropy(LOGITS, HARD, 1.5)


def test_terms_of_a_batch() -> None:
    rows = [probs(row) for row in LOGITS]
    means = [sum(row[c] for row in rows) / 3 for c in range(3)]
    assert prior_divergence(LOGITS).item() == pytest.approx(sum(math.log(1 / 3 / m) / 3 for m in means), abs=1e-12)
    entropy = -sum(p * math.log(p) for row in rows for p in row) / 3
    assert mean_entropy(LOGITS).item() == pytest.approx(entropy, abs=1e-12)


def test_gradients_are_finite_where_predictions_are_certain() -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    loss = generalised_cross_entropy(logits, torch.tensor([1, 1]), 0.8).sum()
    (loss + prior_divergence(logits) + mean_entropy(logits)).backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())
