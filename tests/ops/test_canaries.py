import numpy as np
import pytest

from lit_iterative.callbacks import Rounds
from lit_iterative.columns import read
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Confidence, HardLabels, Predict
from lit_iterative.ops.canaries import Canaries, ScoredCanaries, drawn
from lit_iterative.ops.context import Context
from lit_iterative.ops.testing import example
from lit_iterative.pool import Pool
from lit_iterative.rounds import Phase, Store, When
from tests.projects.tiny import fit


def naive_calibration_error(confidence, right, bins=15):
    total = 0.0
    for b in range(bins):
        inside = [i for i, c in enumerate(confidence) if b / bins < c <= (b + 1) / bins]
        if inside:
            gap = np.mean([right[i] for i in inside]) - np.mean([confidence[i] for i in inside])
            total += len(inside) / len(confidence) * abs(gap)
    return total


def test_canaries_are_measured_by_the_answers_and_taken_away():
    draw = np.random.default_rng(0)
    answers = {int(key): int(draw.integers(3)) for key in draw.permutation(200)[:60]}
    ids = draw.permutation(200)[:150]
    label, confidence = draw.integers(0, 3, size=150), draw.uniform(0.35, 0.99, size=150).astype(np.float32)
    context = Context(Pool(range(200), 1))
    kept = Canaries({str(key): answer for key, answer in answers.items()})(
        example(id=ids, label=label, **{"scores.confidence": confidence}), context
    )
    gone = sorted(set(ids.tolist()) - set(read(kept, "id").tolist()))
    assert gone == sorted(set(answers) & set(ids.tolist()))
    assert 30 < len(gone) < 60
    places = [int(np.flatnonzero(ids == key)[0]) for key in gone]
    right = [bool(label[place] == answers[int(ids[place])]) for place in places]
    values = context.tally.values()
    assert values["canaries"] == len(gone)
    assert values["canary_accuracy"] == pytest.approx(np.mean(right))
    assert values["canary_confidence"] == pytest.approx(np.mean(confidence[places]))
    naive = naive_calibration_error(confidence[places], right)
    assert values["canary_calibration_error"] == pytest.approx(naive, abs=1e-6)


def test_who_is_a_canary_depends_on_the_seed_and_the_id_alone():
    ids = np.arange(500)
    one = drawn(ids, 0.3, None, seed=1)
    assert np.array_equal(drawn(ids[::-1], 0.3, None, seed=1)[::-1], one)
    assert np.array_equal(drawn(np.repeat(ids[:9], 2), 0.3, None, seed=1), np.repeat(one[:9], 2))
    assert not np.array_equal(drawn(ids, 0.3, None, seed=2), one)
    assert set(ids[drawn(ids, 0.1, None, seed=1)]) < set(ids[one])
    assert drawn(np.array(["a", "b"]), None, ["b"], seed=0).tolist() == [False, True]


def test_all_candidates_of_a_canary_go_and_those_that_were_judged_count():
    nan = float("nan")
    table = example(
        id=[0, 0, 0, 1, 1, 2, 2],
        **{"scores.correct": [1.0, 0.0, nan, nan, nan, 1.0, 1.0], "scores.vote": [0.75, 0.25, 0.5, 1.0, 1.0, 1.0, 1.0]},
    )
    context = Context(Pool(range(3), 1))
    kept = ScoredCanaries(ids=[0, 1], confidence="scores.vote")(table, context)
    assert read(kept, "id").tolist() == [1, 1, 2, 2]  # of input 1 no answer is known: it is no canary
    values = context.tally.values()
    assert (values["canaries"], values["canary_accuracy"], values["canary_confidence"]) == (2, 0.5, 0.5)
    assert values["canary_calibration_error"] == pytest.approx(0.25)


def test_an_unknown_confidence_counts_for_accuracy_alone():
    nan = float("nan")
    table = example(id=[0, 0, 0], **{"scores.correct": [1.0, 0.0, 0.0], "scores.vote": [0.75, 0.25, nan]})
    context = Context(Pool(range(1), 1))
    ScoredCanaries(ids=[0], confidence="scores.vote")(table, context)
    values = context.tally.values()
    assert values["canary_accuracy"] == pytest.approx(1 / 3)
    assert values["canary_confidence"] == pytest.approx(0.5)
    assert values["canary_calibration_error"] == pytest.approx(0.25)


def test_a_label_without_confidence_is_refused():
    table = example(id=[0, 1], label=[1, 0], **{"scores.confidence": [0.5, float("nan")]})
    with pytest.raises(DataError, match="NaN"):
        Canaries({"0": 1})(table, Context(Pool(range(2), 1)))


def test_without_confidence_there_is_no_calibration():
    context = Context(Pool(range(2), 1))
    ScoredCanaries(ids=[0])(example(id=[0, 1], **{"scores.correct": [1.0, 0.0]}), context)
    assert context.tally.values() == {"canaries": 1, "canary_accuracy": 1.0}


@pytest.mark.parametrize("options", [{}, {"share": 0.0}, {"share": 1.5}, {"share": 0.5, "ids": [1]}])
def test_a_choice_that_makes_no_sense_is_refused(options):
    with pytest.raises(PipelineError, match="ScoredCanaries"):
        ScoredCanaries(**options)


def test_no_answers_and_answers_that_are_no_class_are_refused():
    with pytest.raises(PipelineError, match="no answers"):
        Canaries({})
    with pytest.raises(PipelineError, match="'4': -1"):
        Canaries({"3": 0, "4": -1})


def test_hidden_labels_are_not_seen():
    table = example(id=[4, 5, 6], label=[1, 0, 2], **{"scores.confidence": [0.5, 0.5, 0.5]})
    context = Context(Pool(range(9), 1, truth=[0] * 9))
    kept = Canaries({"4": 1, "6": 0, "7": 1})(table, context)
    assert read(kept, "id").tolist() == [5]
    assert context.tally.values()["canary_accuracy"] == 0.5


def test_canaries_never_train(tmp_path):
    seen = []

    class Watched(Canaries):
        def __call__(self, table, context):
            kept = super().__call__(table, context)
            seen.append(set(read(table, "id").tolist()) - set(read(kept, "id").tolist()))
            return kept

    answers = {str(key): key % 3 for key in range(0, 200, 5)}
    phase = Phase([Predict(), Confidence(), HardLabels(), Watched(answers)])
    fit(str(tmp_path), Rounds([phase], When(2, 2), shard_size=64), max_epochs=6)
    versions = list(Store(tmp_path / "rounds").versions())
    assert len(versions) == 2
    assert seen[0] == seen[1] == set(range(0, 200, 5))
    for version in versions:
        assert not seen[0] & set(version.table()["id"].to_pylist())
        assert version.manifest.metrics["canaries"] == len(seen[0])
        assert 0.5 < version.manifest.metrics["canary_accuracy"] <= 1.0
