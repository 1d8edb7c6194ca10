import numpy as np
import pytest

from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Constant, Context, GivenLabels, SureOfBoth
from lit_iterative.ops.testing import example
from lit_iterative.pool import Pool


def given(items, op, rows=None):
    context = Context(Pool(items, 1))
    return op(example(id=rows or list(range(len(items)))), context), context.tally.values()


@pytest.mark.parametrize(
    ("at", "items"), [(1, [("a", 2), ("b", None), ("c", 0)]), ("y", [{"y": 2}, {"y": None}, {"y": 0}])]
)
def test_labels_are_certain_predictions(at, items):
    made, counts = given(items, GivenLabels(at, classes=3), rows=[2, 1, 0])
    assert made["id"].to_pylist() == [2, 0]
    assert made["probs"].to_pylist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    assert counts == {"not_given": 1}


@pytest.mark.parametrize("item", [("a",), {"x": 1}, 3.0])
def test_an_input_without_a_place_for_it_is_told(item):
    with pytest.raises(DataError, match="has no label at 1"):
        given([item], GivenLabels())


def test_a_label_that_is_no_class_is_told():
    with pytest.raises(DataError, match="has the label 2, but there are 2 classes"):
        given([("a", 2)], GivenLabels())
    with pytest.raises(PipelineError, match=r"GivenLabels\(classes\) is 1"):
        GivenLabels(classes=1)


def test_sure_of_both_is_that_of_the_less_certain():
    rewards = np.random.default_rng(0).normal(size=(30, 2)) * 3
    made = SureOfBoth()(example(id=list(range(30)), logits=rewards.tolist()), None)
    for (one, other), score in zip(rewards.tolist(), made["scores.sure_of_both"].to_pylist(), strict=True):
        good = 1 / (1 + np.exp(-max(one, other)))
        bad = 1 - 1 / (1 + np.exp(-min(one, other)))
        assert score == pytest.approx(min(good, bad), rel=1e-5)
    with pytest.raises(DataError, match=r"have the shape \(1, 3\)"):
        SureOfBoth()(example(logits=[[1.0, 2.0, 3.0]]), None)


def test_a_constant_is_no_id():
    with pytest.raises(PipelineError, match="which tells rows apart"):
        Constant("id", 1.0)
