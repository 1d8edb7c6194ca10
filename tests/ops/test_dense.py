"""Labels of pixels: predictions, thresholds that run from image to image, masks."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Ensemble, InstanceThresholds, MaskLabels, Policy, PredictDense
from lit_iterative.ops.context import Context
from lit_iterative.pool import Pool

SHAPE = (3, 2, 5)  # classes, height, width


class Forward:
    """A stand-in for the model: logits of every pixel are a function of the input and the member."""

    def __init__(self, change=lambda logits: logits):
        self.change = change

    def run(self, batch, index, members, *seed):
        places = torch.arange(30.0).reshape(SHAPE)
        return [
            self.change(torch.sin(batch[:, None, None, None] + number + places * 1.7) * 4)
            for number in range(len(members))
        ]


def context(rows=7, **more):
    pool = Pool(torch.arange(float(rows)), 3)
    return Context(pool, **{"forward": Forward(), **more})


def test_the_class_of_every_pixel_and_how_probable_it_is():
    table = pa.table({"id": np.arange(7)})
    made = PredictDense(Ensemble([Policy(), Policy()]))(table, context())
    outputs = Forward().run(torch.arange(7.0), 0, [0, 1])
    probs = np.mean([output.double().softmax(dim=1).numpy() for output in outputs], axis=0)
    assert read(made, "classes").shape == (7, 10)
    assert (read(made, "classes") == probs.argmax(axis=1).reshape(7, 10)).all()
    np.testing.assert_allclose(read(made, "confidence"), probs.max(axis=1).reshape(7, 10), atol=1e-6)
    assert made["source"].to_pylist() == ["Ensemble"] * 7
    assert PredictDense()(table.slice(0, 0), context())["classes"].type.list_size == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda logits: logits[:, :1], r"\(3, 1, 2, 5\) for 3 inputs"),
        (lambda logits: logits[:2], "for 3 inputs"),
        (lambda logits: {"probs": logits}, "NoneType"),
        (lambda logits: logits / 0, "NaN or infinity"),
    ],
)
def test_other_outputs_are_refused(change, message):
    with pytest.raises(DataError, match=message):
        PredictDense()(pa.table({"id": np.arange(3)}), context(forward=Forward(change)))


def predictions(rows=9, seed=0):
    draw = np.random.default_rng(seed)
    table = pa.table({"id": draw.permutation(rows)})
    classes = draw.choice(4, p=[0.6, 0.25, 0.1, 0.05], size=(rows, 24)).astype(np.int16)
    return write(table, classes=classes, confidence=draw.uniform(0.3, 1.0, (rows, 24)).astype(np.float32))


def plain(table, start, share, beta, gamma):
    """The recursion, image by image and class by class, as the paper writes it."""
    thresholds, certain = list(start), {}
    rows = zip(table["id"].to_pylist(), table["classes"].to_pylist(), table["confidence"].to_pylist(), strict=True)
    for id, classes, confidence in sorted(rows):
        for name in range(len(thresholds)):
            mine = sorted((p for p, c in zip(confidence, classes, strict=True) if c == name), reverse=True)
            if mine:
                place = min(int(share * thresholds[name] ** gamma * len(mine)), len(mine) - 1)
                thresholds[name] = beta * thresholds[name] + (1 - beta) * mine[place]
        certain[id] = [p >= thresholds[c] for p, c in zip(confidence, classes, strict=True)]
    return thresholds, [certain[id] for id in table["id"].to_pylist()]


def test_thresholds_run_from_image_to_image_and_from_round_to_round():
    op, asked = InstanceThresholds(share=0.4, beta=0.7, gamma=2.0, start=0.8), context()
    first, second = predictions(seed=1), predictions(seed=2)
    thresholds, certain = plain(first, [0.8] * 4, 0.4, 0.7, 2.0)
    assert op(first, asked)["certain"].to_pylist() == certain
    assert asked.memory["thresholds"] == pytest.approx(thresholds, abs=1e-12)
    assert len(set(thresholds)) == 4
    again, more = plain(second, thresholds, 0.4, 0.7, 2.0)
    assert op(second, asked)["certain"].to_pylist() == more
    assert asked.memory["thresholds"] == pytest.approx(again, abs=1e-12)
    assert asked.tally.values()["certain"] == pytest.approx(np.mean([certain, more]))


def test_an_empty_round_changes_no_threshold():
    asked = context(memory={"thresholds": [0.5, 0.25]})
    made = InstanceThresholds()(predictions().slice(0, 0), asked)
    assert made["certain"].type.list_size == 24
    assert asked.memory == {"thresholds": [0.5, 0.25]}


def test_what_is_not_certain_has_no_label():
    table = write(predictions(3), certain=np.arange(72).reshape(3, 24) % 3 == 0, weight=np.full(3, 0.5))
    asked = context()
    made = MaskLabels()(table, asked)
    label, classes = read(made, "label"), read(table, "classes")
    assert (label[:, ::3] == classes[:, ::3]).all()
    assert (np.delete(label, np.s_[::3], axis=1) == -1).all()
    assert made.column_names == ["id", "weight", "label"] or set(made.column_names) == {"id", "weight", "label"}
    assert read(made, "weight").tolist() == [0.5] * 3
    assert asked.tally.values()["labelled"] == pytest.approx(1 / 3)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(PipelineError, match=r"share.* is 1\.5"):
        InstanceThresholds(share=1.5)
    with pytest.raises(DataError, match="one value a row"):
        MaskLabels()(pa.table({"id": [0], "classes": [1], "certain": [True]}), context())
    table = predictions(2)
    bad = write(table, confidence=np.where(read(table, "confidence") > 0.9, np.nan, 0.5))
    with pytest.raises(DataError, match="NaN"):
        InstanceThresholds()(bad, context())
