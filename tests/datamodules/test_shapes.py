import numpy as np
import pytest
import torch

from lit_iterative.datamodules import CopyPaste, ShapesData
from lit_iterative.datamodules.relabelled import Relabelled
from lit_iterative.datamodules.shapes import shapes
from lit_iterative.errors import DataError


def ready(**options):
    data = ShapesData(labelled=4, pool=6, held_out=3, **options)
    data.setup()
    return data


def test_domains_differ_and_are_the_same_each_time():
    data, again = ready(), ready()
    assert len(data.labelled) == 4
    assert data.unlabelled.tensors[0].equal(again.unlabelled.tensors[0])
    images, classes = shapes(3, 16, 0, "held out")
    assert data.held_out.tensors[1].equal(torch.from_numpy(classes))
    assert data.held_out.tensors[0].equal(data.target(torch.from_numpy(images)))
    assert float(data.held_out.tensors[0].mean()) > images.mean()


def test_brightness_tells_classes_apart_on_the_average():
    images, classes = shapes(40, 16, 0, "x")
    means = [images[:, 0][classes == name].mean() for name in range(4)]
    assert sorted(means) == [means[0], means[3], means[2], means[1]]


def test_labels_get_their_shape_back():
    data = ready()
    labels = np.arange(-1, 2 * 256 - 1).reshape(2, 256).astype(np.int16)
    rows = Relabelled(None, data.pool(), np.array([5, 0]), labels, np.ones(2), data.mixing, data.relabel)
    image, label = rows[1]
    assert image.equal(data.unlabelled[0][0])
    assert label.shape == (16, 16)
    assert label.flatten().tolist() == labels[1].tolist()
    mixed = Relabelled(data.labelled, data.pool(), np.array([5]), labels[:1], np.ones(1), data.mixing, data.relabel)
    assert mixed[0][1].equal(data.labelled[0][1]), "labelled images keep their labels"


def test_pixels_of_rare_classes_are_pasted_with_their_labels():
    torch.manual_seed(0)
    images = torch.stack([torch.full((1, 4, 4), float(row)) for row in range(6)])
    labels = torch.zeros(6, 4, 4, dtype=torch.long)
    labels[:, 0] = -1
    labels[2, 1, 1] = 3
    pasted = torch.zeros(6, 4, 4)
    for _ in range(20):
        made, classes = CopyPaste(share=1.0)(images, labels)
        changed = made[:, 0] != images[:, 0]
        pasted += changed
        assert (classes[:, 0] == -1).all(), "what has no label is not pasted"
        for row, y, x in changed.nonzero().tolist():
            assert classes[row, y, x] == labels[int(made[row, 0, y, x]), y, x]
        assert classes[~changed].equal(labels[~changed])
    assert pasted[:, 1, 1].sum() > 2 * pasted[:, 2, 2].sum(), "the rare class comes more often"
    made, classes = CopyPaste(share=0.0)(images, labels)
    assert made.equal(images)
    assert classes.equal(labels)
    alone = CopyPaste()(images, torch.full_like(labels, -1))
    assert alone[0] is images


def test_what_makes_no_sense_is_refused():
    with pytest.raises(DataError, match="size=4"):
        ShapesData(size=4)
    with pytest.raises(DataError, match="share=2"):
        CopyPaste(share=2)
