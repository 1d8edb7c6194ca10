"""Terms of dense labels, place by place in float64."""

import math

import pytest
import torch

from lit_iterative.losses.regions import consistency, sharpening, smoothing

DRAW = torch.Generator().manual_seed(0)
LOGITS, OTHERS = (torch.randn(2, 3, 4, 5, generator=DRAW, dtype=torch.float64) for _ in range(2))
LABELS = torch.randint(-1, 3, (2, 4, 5), generator=DRAW)


def probs(logits, row, y, x):
    exps = [math.exp(logits[row, c, y, x].item()) for c in range(3)]
    return [e / sum(exps) for e in exps]


def places(labelled):
    return [(row, y, x) for row in range(2) for y in range(4) for x in range(5) if (LABELS[row, y, x] >= 0) == labelled]


def test_smoothing_is_of_places_with_a_label():
    values = [sum(math.log(1 / 3 / p) / 3 for p in probs(LOGITS, *place)) for place in places(True)]
    assert smoothing(LOGITS, LABELS).item() == pytest.approx(sum(values) / len(values), abs=1e-12)


def test_sharpening_is_of_places_without():
    values = [-sum(p * math.log(p) for p in probs(LOGITS, *place)) for place in places(False)]
    assert sharpening(LOGITS, LABELS).item() == pytest.approx(sum(values) / len(values), abs=1e-12)


def test_consistency_is_of_places_without_and_moves_one_side():
    values = [
        sum((p - q) ** 2 for p, q in zip(probs(LOGITS, *place), probs(OTHERS, *place), strict=True))
        for place in places(False)
    ]
    left, right = LOGITS.clone().requires_grad_(), OTHERS.clone().requires_grad_()
    loss = consistency(left, right, LABELS)
    assert loss.item() == pytest.approx(sum(values) / len(values), abs=1e-12)
    loss.backward()
    assert right.grad is None
    assert not left.grad.permute(0, 2, 3, 1)[LABELS >= 0].any()


@pytest.mark.parametrize(("term", "label"), [(smoothing, -1), (sharpening, 0)])
def test_of_no_place_it_is_0(term, label):
    assert term(LOGITS, torch.full_like(LABELS, label)).item() == 0
