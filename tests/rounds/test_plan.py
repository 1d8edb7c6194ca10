import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.ops import (
    Append,
    Confidence,
    Failures,
    FromMetric,
    HardLabels,
    Linear,
    Predict,
    RandomInputs,
    Remember,
    SameRound,
    Steered,
    Threshold,
)
from lit_iterative.ops.op import check, resolve, spec
from lit_iterative.rounds import Phase, Plan, When
from lit_iterative.rounds.plan import Plateau

SAME = SameRound(FromMetric("round/seen"))
OPS = [Predict(), Confidence(), Threshold(Linear(0.5, 0.9, 4)), HardLabels()]


def test_a_pipeline_is_checked_when_it_is_built():
    with pytest.raises(PipelineError, match="Threshold needs the column 'scores.confidence'.*before it"):
        Phase([Predict(), Threshold(0.5)])
    with pytest.raises(PipelineError, match="no ops.*Predict"):
        Phase([])


def test_columns_that_were_taken_away_are_missed():
    with pytest.raises(PipelineError, match="Confidence needs the column 'probs'"):
        check([Predict(), HardLabels(), Confidence()])
    assert "probs" in check([Predict(), HardLabels(keep_probs=True), Confidence()])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Plan([]), "no phases"),
        (lambda: Plan([Phase(OPS), Phase(OPS)]), "Phase 'main' has no end.*rounds: N"),
        (lambda: Plan([Phase(OPS)], shard_size=0), "shard_size is 0"),
        (lambda: Plan([Phase(OPS)], repeat=1), "Phase 'main' has no end.*rounds: N"),
        (lambda: Plan([Phase(OPS, rounds=1)], repeat=2), "repeat is 2, but there are 1 phases"),
        (lambda: Phase(OPS, rounds=0), "has 0 rounds"),
        (lambda: Phase([RandomInputs(SAME), *OPS]), "the first op or the merge follows.*behind one that measures"),
        (lambda: Phase(OPS, merge=Append(SAME)), "the first op or the merge follows"),
        (lambda: SameRound(0.5), "SameRound is given 0.5.*Give it a schedule"),
        (lambda: When(every_n_epochs=0), "every_n_epochs is 0; it must be at least 1"),
        (lambda: When(warmup_epochs=-1), "warmup_epochs is -1"),
        (lambda: When(patience=0), "patience is 0"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(build, message):
    with pytest.raises(PipelineError, match=message):
        build()


def test_what_is_looked_up_must_be_kept():
    look_up = [Failures(0.9), Predict(), Confidence(), HardLabels()]
    with pytest.raises(PipelineError, match=r"Failures looks up 'scores.confidence'.*Remember\(\['scores"):
        Plan([Phase(look_up)])
    keep = [Predict(), Confidence(), Remember(["scores.confidence"]), HardLabels()]
    assert Plan([Phase(keep, rounds=1), Phase(look_up)]).rounds is None


def test_phases_follow_each_other():
    plan = Plan([Phase(OPS, rounds=2, name="a"), Phase(OPS, rounds=1, name="b"), Phase(OPS, name="c")])
    assert [plan.phase(round).name for round in range(5)] == ["a", "a", "b", "c", "c"]
    assert plan.rounds is None
    assert Plan([Phase(OPS, rounds=2), Phase(OPS, rounds=1)]).rounds == 3


def test_the_last_phases_come_again_and_again():
    phases = [Phase(OPS, rounds=rounds, name=name) for rounds, name in ((1, "a"), (2, "b"), (1, "c"))]
    plan = Plan(phases, repeat=2)
    assert [plan.phase(round).name for round in range(9)] == ["a", "b", "b", "c", "b", "b", "c", "b", "b"]
    assert plan.rounds is None
    assert plan.fingerprint != Plan(phases).fingerprint
    assert [Plan(phases, repeat=3).phase(round).name for round in (3, 4, 8)] == ["c", "a", "a"]


def test_schedules_are_resolved_wherever_they_stand():
    phase = resolve(Phase(OPS), 2, {})
    assert phase.ops[2].value == pytest.approx(0.7)
    assert OPS[2].value == Linear(0.5, 0.9, 4)


@pytest.mark.parametrize("same", [SAME, Steered("bound", SAME), Steered("bound", Steered("too", SAME))])
def test_what_waits_for_the_ops_before_it_is_resolved_with_them(same):
    ops = [*OPS[:2], Threshold(same), OPS[2]]
    started = resolve(Phase(ops), 2, {"round/seen": 0.1})
    assert [started.ops[2], started.ops[3].value] == [Threshold(same), pytest.approx(0.7)]
    run = resolve(started.ops, 2, {"round/seen": 0.3}, waiting=True)
    assert run == [*started.ops[:2], Threshold(0.3), started.ops[3]]
    assert resolve(ops, 2, {"round/seen": 0.3}, waiting=True)[3] == OPS[2]  # which should have been known before


def test_the_fingerprint_is_that_of_what_decides_the_data():
    plan = Plan([Phase(OPS)])
    assert plan.fingerprint == Plan([Phase(list(OPS))]).fingerprint
    other = [Plan([Phase(OPS)], seed=1), Plan([Phase(OPS)], shard_size=4), Plan([Phase([*OPS[:2], HardLabels()])])]
    assert len({plan.fingerprint, *(p.fingerprint for p in other)}) == 4
    assert spec(OPS[2])["init_args"]["value"]["init_args"] == {"start": 0.5, "end": 0.9, "rounds": 4}


def due_epochs(when, epochs, waited=lambda epoch: 0):
    last, rounds, due = None, 0, []
    for epoch in range(epochs):
        if when.due(epoch, last, rounds, waited(epoch)):
            due.append(epoch)
            last, rounds = epoch, rounds + 1
    return due


@pytest.mark.parametrize(
    ("when", "epochs"),
    [
        (When(), [0, 1, 2, 3, 4, 5, 6]),
        (When(every_n_epochs=3), [0, 3, 6]),
        (When(every_n_epochs=2, warmup_epochs=3), [3, 5]),
        (When(warmup_epochs=1, max_rounds=2), [1, 2]),
        (When(max_rounds=0), []),
    ],
)
def test_when_rounds_are_due(when, epochs):
    assert due_epochs(when, 7) == epochs


def test_a_round_waits_for_a_plateau():
    when, plateau, values = When(plateau="loss", patience=2), Plateau(), [3.0, 2.0, 2.0, 2.5, 1.0, 1.0, 1.0]
    waited = []
    for value in values:
        plateau.update(when, {"loss": value})
        waited.append(plateau.waited)
    assert waited == [0, 0, 1, 2, 0, 1, 2]
    assert due_epochs(when, 7, lambda epoch: waited[epoch]) == [3, 6]


def test_a_plateau_of_a_metric_to_be_large_and_of_a_least_gain():
    plateau = Plateau()
    for value in (0.5, 0.55, 0.7):
        plateau.update(When(plateau="acc", mode="max", min_delta=0.1), {"acc": value})
    assert (plateau.best, plateau.waited) == (0.7, 0)


def test_a_metric_that_is_not_logged_is_named():
    with pytest.raises(PipelineError, match=r"waits for 'acc'.*\['loss'\].*validation_step"):
        Plateau().update(When(plateau="acc"), {"loss": 1.0})
