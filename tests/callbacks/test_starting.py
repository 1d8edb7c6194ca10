import pytest

from lit_iterative.callbacks.past import Past
from lit_iterative.callbacks.starting import facts_of
from lit_iterative.ops import Confidence, FromMetric, HardLabels, Predict, SameRound, Steered, Threshold
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import resolve
from lit_iterative.pool import Pool
from lit_iterative.rounds import Phase, Plan
from lit_iterative.rounds.store import Store
from tests.projects.tiny import TinyModule, trainer


def key(folder, least, metrics, factors):
    """Return the key of a round whose threshold is ``least``."""
    phase = Phase([Predict(), Confidence(), Threshold(least), HardLabels()])
    context = Context(Pool([0, 1], 2), metrics=metrics, factors=factors)
    started = resolve(phase, 0, {**metrics, **factors})
    run = trainer(str(folder), [])
    return facts_of(Past(Store(folder), 0), Plan([phase]), started, context, run, MODULE).key


MODULE = TinyModule()
KNOWN = {"val_accuracy": 0.5, "round/rows": 3.0}


@pytest.mark.parametrize(
    ("follows", "by_metrics", "by_factors"),
    [
        (0.5, False, False),
        (FromMetric("val_accuracy"), True, False),
        (Steered("least", 0.5), False, True),
        (SameRound(FromMetric("round/rows")), False, True),  # in which a Steered may be, so that all factors count
        (Steered("least", SameRound(FromMetric("round/rows"))), False, True),
    ],
)
def test_the_key_of_a_round_tells_what_its_schedules_know_when_it_starts(tmp_path, follows, by_metrics, by_factors):
    first = key(tmp_path, follows, KNOWN, {"factor/least": 1.5})
    assert first == key(tmp_path, follows, dict(KNOWN), {"factor/least": 1.5})
    assert (first != key(tmp_path, follows, {**KNOWN, "val_accuracy": 0.6}, {"factor/least": 1.5})) == by_metrics
    assert (first != key(tmp_path, follows, KNOWN, {"factor/least": 2.0})) == by_factors
