import pytest
import torch
from torch import nn

from lit_iterative.errors import DataError, SetupError
from lit_iterative.losses.regions import sharpening, smoothing
from lit_iterative.modules import Segmenter, SmallSegmentationNet

IMAGES = torch.rand(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
LABELS = torch.randint(-1, 4, (2, 6, 6), generator=torch.Generator().manual_seed(1))


def make(**options):
    torch.manual_seed(0)
    return Segmenter(nn.Conv2d(1, 4, 3, padding=1), 4, **options)


def test_the_loss_is_that_of_the_pixels_with_a_label():
    module = make()
    log_p = module(IMAGES).log_softmax(dim=1)
    values = [-log_p[row, LABELS[row, y, x], y, x].item() for row, y, x in (LABELS >= 0).nonzero().tolist()]
    assert module.training_step((IMAGES, LABELS), 0).item() == pytest.approx(sum(values) / len(values), abs=1e-5)
    assert module.training_step((IMAGES, torch.full_like(LABELS, -1)), 0).item() == 0


def test_terms_are_added_with_their_weights():
    plain, whole = make(), make(smooth=0.5, sharpen=2.0)
    logits = plain(IMAGES)
    added = 0.5 * smoothing(logits, LABELS) + 2 * sharpening(logits, LABELS)
    loss = plain.training_step((IMAGES, LABELS), 0) + added
    torch.testing.assert_close(whole.training_step((IMAGES, LABELS), 0), loss)
    noisy, still = make(agree=3.0, noise=0.5), make(agree=3.0, noise=0.0)
    torch.testing.assert_close(still.training_step((IMAGES, LABELS), 0), plain.training_step((IMAGES, LABELS), 0))
    assert noisy.training_step((IMAGES, LABELS), 0) > plain.training_step((IMAGES, LABELS), 0)


@pytest.mark.parametrize("labels", [LABELS.flatten(1), LABELS + 1, LABELS - 1])
def test_labels_that_are_none_are_refused(labels):
    with pytest.raises(DataError, match=r"relabel\(item, label\)"):
        make().on_before_batch_transfer([IMAGES, labels], 0)


def test_labels_of_any_integer_type_are_taken():
    _, labels = make().on_before_batch_transfer([IMAGES, LABELS.to(torch.int16)], 0)
    assert labels.dtype == torch.int64
    assert labels.equal(LABELS)


def test_numbers_that_make_no_sense_are_refused():
    with pytest.raises(SetupError, match="agree=-1"):
        make(agree=-1)
    with pytest.raises(SetupError, match="channels=0"):
        SmallSegmentationNet(channels=0)
