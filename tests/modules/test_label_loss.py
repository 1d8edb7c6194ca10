import math

import pytest
import torch
from torch import nn

from lit_iterative.errors import DataError, SetupError
from lit_iterative.modules.classifier import Classifier
from lit_iterative.modules.examples import Examples
from lit_iterative.modules.label_loss import LabelLoss

INPUTS, LABELS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [4.0, 4.0]]), torch.tensor([0, 1, 2])
WEIGHTS = torch.tensor([1.0, 0.5, 0.0])


def test_mixtures_are_of_two_losses() -> None:
    torch.manual_seed(3)
    mixed = LabelLoss(mixup=4.0).mixed(Examples(INPUTS, LABELS, WEIGHTS), classes=3)
    torch.manual_seed(3)
    share = float(torch.distributions.Beta(4.0, 4.0).sample())
    others = torch.randperm(3).tolist()
    assert 0 < share < 1
    assert mixed.weights is not None
    logits = torch.tensor([[0.5, -1.0, 2.0]] * 3)
    log_p = logits[0].log_softmax(0).tolist()
    losses = mixed.weights * LabelLoss().rows(logits, mixed.labels)
    for row, other in enumerate(others):
        assert mixed.inputs[row].tolist() == pytest.approx(
            [share * a + (1 - share) * b for a, b in zip(INPUTS[row].tolist(), INPUTS[other].tolist(), strict=True)]
        )
        mine = -share * float(WEIGHTS[row]) * log_p[int(LABELS[row])]
        theirs = -(1 - share) * float(WEIGHTS[other]) * log_p[int(LABELS[other])]
        assert losses[row].item() == pytest.approx(mine + theirs, abs=1e-6)


def test_nothing_is_mixed_by_default() -> None:
    examples = Examples(INPUTS, LABELS)
    assert LabelLoss().mixed(examples, 3) is examples


def test_the_classifier_adds_the_terms() -> None:
    torch.manual_seed(0)
    network = nn.Linear(2, 3)
    plain = Classifier(network, 3)._loss(Examples(INPUTS, LABELS)).item()
    whole = Classifier(network, 3, loss=LabelLoss(prior=0.8, entropy=0.4))._loss(Examples(INPUTS, LABELS)).item()
    probs = network(INPUTS).softmax(dim=1).tolist()
    means = [sum(row[c] for row in probs) / 3 for c in range(3)]
    prior = sum(math.log(1 / 3 / mean) / 3 for mean in means)
    entropy = -sum(p * math.log(p) for row in probs for p in row) / 3
    assert whole == pytest.approx(plain + 0.8 * prior + 0.4 * entropy, abs=1e-6)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(SetupError, match="q=2"):
        LabelLoss(q=2)
    with pytest.raises(SetupError, match="nan"):
        LabelLoss(prior=math.nan)
    with pytest.raises(DataError, match=r"torch\.int64"):
        LabelLoss(mixup=1.0).mixed(Examples(LABELS, LABELS), 3)
