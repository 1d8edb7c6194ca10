import pytest
import torch

from lit_iterative.errors import DataError
from lit_iterative.modules.labels import check_labels

THIRD = torch.full((2, 3), 1 / 3)


@pytest.mark.parametrize(
    "labels",
    [
        torch.tensor([0, 2]),
        torch.tensor([], dtype=torch.int64),
        torch.tensor([2], dtype=torch.uint8),
        THIRD,
        THIRD.half(),
        torch.zeros(0, 3),
    ],
)
def test_good_labels_pass(labels: torch.Tensor) -> None:
    check_labels(labels, num_classes=3)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 3]), "reach from 0 to 3.*num_classes to at least 4"),
        (torch.tensor([-1, 2]), "reach from -1 to 2.*belong to the pool"),
        (torch.tensor([0.0, 1.0]), r"shape \(2,\).*float32.*integers"),
        (torch.tensor([[0, 1, 0]]), r"shape \(1, 3\).*int64.*floats"),
        (torch.tensor(1), r"shape \(\).*integers"),
        (torch.full((2, 4), 0.25), "4 classes.*num_classes: 4"),
        (torch.tensor([[0.5, 0.7, -0.2]]), "not distributions.*softmax"),
        (torch.tensor([[2.0, 1.0, 0.0]]), "sums to 3 .*softmax"),
        (torch.tensor([[torch.nan, 1.0, 0.0]]), "not distributions"),
        ([0, 1], "are a list"),
    ],
)
def test_bad_labels_are_refused_with_the_remedy(labels: torch.Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_labels(labels, num_classes=3)
