import functools
import json

import pytest
import torch
from torch import nn

from lit_iterative.errors import PipelineError
from lit_iterative.ops import (
    Confidence,
    Ensemble,
    HardLabels,
    Linear,
    MCDropout,
    Policy,
    Predict,
    Steps,
    TestTimeAugmentation,
    Threshold,
    check,
)
from lit_iterative.ops.op import resolve, spec


def test_the_columns_at_the_end_are_told():
    assert check([Predict(), Confidence(), HardLabels()]) == ("id", "label", "scores.confidence", "source", "weight")


def test_at_gives_the_op_of_a_round():
    op = Threshold(Steps([0.5, 0.7]))
    assert [op.at(round, {}).value for round in range(3)] == [0.5, 0.7, 0.7]
    assert Threshold(0.5).at(3, {}) == Threshold(0.5)


def test_schedules_deep_inside_are_found():
    found = resolve({"unchanged": 1}, 0, {}), resolve([Threshold(Linear(0, 1, 2))], 1, {})
    assert found == ({"unchanged": 1}, [Threshold(0.5)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Threshold(0.5), Threshold(0.6)),
        (Predict(), Predict(MCDropout(3))),
        (Predict(MCDropout(3)), Predict(MCDropout(4))),
        (Threshold(Linear(0, 1, 2)), Threshold(Linear(0, 1, 3))),
        (TestTimeAugmentation([torch.neg]), TestTimeAugmentation([torch.abs])),
        (TestTimeAugmentation([nn.Dropout(0.1)]), TestTimeAugmentation([nn.Dropout(0.2)])),
    ],
)
def test_specs_tell_parts_apart_and_are_json(one, other):
    assert json.dumps(spec(one)) == json.dumps(spec(one))
    assert json.dumps(spec(one)) != json.dumps(spec(other))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (functools.partial(Ensemble, [Policy()]), "Ensemble has 1 actors"),
        (functools.partial(MCDropout, 1), "MCDropout has 1 samples"),
        (functools.partial(TestTimeAugmentation, []), "no views"),
    ],
)
def test_actors_that_are_none_are_refused(build, message):
    with pytest.raises(PipelineError, match=message):
        build()
