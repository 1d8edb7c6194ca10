import numpy as np
import pytest

from lit_iterative.callbacks import Rounds
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Confidence, HardLabels, Predict, Remember, Threshold
from lit_iterative.ops.context import Context
from lit_iterative.ops.round_agreement import RoundAgreement
from lit_iterative.ops.testing import example
from lit_iterative.pool import Pool
from lit_iterative.rounds import Phase, Store, When
from tests.projects.tiny import fit


def context(ledger=None):
    return Context(Pool(range(9), 1), ledger=ledger)


def test_agreement_is_the_share_of_inputs_seen_before_with_the_same_value():
    draw = np.random.default_rng(0)
    before = {key: int(draw.integers(3)) for key in range(0, 60, 2)}
    now = {key: int(draw.integers(3)) for key in range(0, 60, 3)}
    known = [key for key in now if key in before]
    found = context(example(id=list(before), label=list(before.values())))
    keys = [key for key in now for _ in range(1 + key % 3)]  # candidates of an input count once
    table = example(id=keys, label=[now[key] for key in keys])
    assert RoundAgreement()(table, found) is table
    assert found.tally.values()["agreement"] == pytest.approx(np.mean([now[key] == before[key] for key in known]))


def test_texts_and_soft_labels_can_agree_too():
    found = context(example(id=[0, 1], answer=["7", "8"]))
    RoundAgreement("answer")(example(id=[0, 1], answer=["7", "9"]), found)
    assert found.tally.values() == {"agreement": 0.5}
    found = context(example(id=[0, 1], label=[[0.75, 0.25], [0.25, 0.75]]))
    RoundAgreement()(example(id=[0, 1], label=[[0.625, 0.375], [0.75, 0.25]]), found)
    assert found.tally.values() == {"agreement": 0.5}


def test_without_a_past_nothing_is_said():
    for found in (context(), context(example(id=[5], label=[1]))):
        RoundAgreement()(example(id=[0], label=[1]), found)
        assert found.tally.values() == {}


def test_a_column_that_is_not_remembered_is_refused():
    with pytest.raises(DataError, match="Remember"):
        RoundAgreement()(example(id=[0], label=[1]), context(example(id=[0], other=[1])))
    with pytest.raises(PipelineError, match="nothing keeps it"):
        Rounds([Phase([Predict(), HardLabels(), RoundAgreement()])])


def test_it_is_measured_before_anything_is_selected(tmp_path):
    ops = [Predict(), Confidence(), HardLabels(), RoundAgreement(), Remember(["label"]), Threshold(0.6)]
    fit(str(tmp_path), Rounds([Phase(ops)], When(1, 1)), max_epochs=3)
    first, second = (version.manifest.metrics for version in Store(tmp_path / "rounds").versions())
    assert "agreement" not in first
    assert 0.5 < second["agreement"] < 1.0
    assert second["rows"] < 200
