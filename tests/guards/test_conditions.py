"""Every condition against its definition, worked out here in plain loops, on random histories."""

import math

import numpy as np
import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.guards import (
    Above,
    AnswerCollapse,
    Below,
    Budget,
    CanariesOverconfident,
    CanariesWrong,
    ClassCollapse,
    Disagreement,
    DistinctCollapse,
    History,
    KLBudget,
    LabelFlips,
    LengthDrift,
    LittleToGain,
    NoGain,
    NoNewData,
    Overoptimised,
    Sharpening,
    Worse,
)


def rounds(name, values):
    return History.of([{name: value} for value in values])


def histories(count, seed, low=0.0, high=1.0):
    """Return lists of one to seven numbers."""
    draw = np.random.default_rng(seed)
    return [draw.uniform(low, high, size=draw.integers(1, 8)).round(2).tolist() for _ in range(count)]


def both_happen(fired):
    assert set(fired) == {True, False}


def naive_slope(values):
    n = len(values)
    x, y, xy, xx = (sum(part) for part in zip(*[(i, v, i * v, i * i) for i, v in enumerate(values)], strict=True))
    return (n * xy - x * y) / (n * xx - x * x)


ONE_METRIC = [
    (Above("m", 0.5), "m", lambda v: v[-1] > 0.5),
    (Below("m", 0.5), "m", lambda v: v[-1] < 0.5),
    (KLBudget(0.5), "round/kl_initial", lambda v: v[-1] > 0.5),
    (LabelFlips(0.5), "round/flip_rate", lambda v: v[-1] > 0.5),
    (Disagreement(0.5), "round/agreement", lambda v: v[-1] < 0.5),
    (DistinctCollapse(2, 0.5), "round/distinct_2", lambda v: v[-1] < v[0] / 2),
    (AnswerCollapse(0.5), "round/answer_entropy", lambda v: v[-1] < v[0] / 2),
    (LengthDrift(2.0), "round/completion_tokens", lambda v: v[-1] > 2 * v[0] or v[-1] < v[0] / 2),
    (Worse("m", "max", 0.25), "m", lambda v: v[-1] < max(v) - 0.25),
    (Worse("m", "min", 0.25), "m", lambda v: v[-1] > min(v) + 0.25),
    (CanariesWrong(0.25), "round/canary_accuracy", lambda v: v[-1] < max(v) - 0.25),
    (LittleToGain("m", 0.101, "max", 3), "m", lambda v: len(v) >= 3 and naive_slope(v[-3:]) < 0.101),
    (LittleToGain("m", 0.101, "min", 3), "m", lambda v: len(v) >= 3 and -naive_slope(v[-3:]) < 0.101),
    (NoGain("m", rounds=2), "m", lambda v: len(v) > 2 and max(v[-2:]) <= max(v[:-2])),
    (NoGain("m", "min", rounds=2), "m", lambda v: len(v) > 2 and min(v[-2:]) >= min(v[:-2])),
]


@pytest.mark.parametrize(
    ("condition", "metric", "expected"), ONE_METRIC, ids=[str(case[0])[:60] for case in ONE_METRIC]
)
def test_a_condition_is_met_as_it_is_defined(condition, metric, expected):
    assert condition.watches == (metric,)
    fired = []
    for values in histories(300, 1):
        said = condition(rounds(metric, values))
        assert (said is not None) == expected(values), (values, said)
        fired.append(said is not None)
    both_happen(fired)


@pytest.mark.parametrize("classes", [None, 3.0])
def test_classes_collapse_by_the_perplexity_of_their_shares(classes):
    draw, fired = np.random.default_rng(2), []
    for _ in range(200):
        counts = [draw.integers(0, 20, size=3).tolist() for _ in range(2)]
        if not all(map(sum, counts)):
            continue
        perplexities = []
        for row in counts:
            entropy = 0.0
            for count in row:
                entropy -= count / sum(row) * math.log(count / sum(row)) if count else 0.0
            perplexities.append(math.exp(entropy))
        said = ClassCollapse(0.7, classes)(rounds("round/label_counts", counts))
        assert (said is not None) == (perplexities[1] < 0.7 * (classes or perplexities[0]))
        fired.append(said is not None)
    both_happen(fired)


@pytest.mark.parametrize("condition", [Sharpening(0.1, 0.05), Overoptimised("a", "b", "max", 0.1, 0.05)])
def test_one_rises_while_the_other_falls(condition):
    rising, falling = condition.watches
    fired = []
    for ups, downs in zip(histories(300, 3), histories(300, 4), strict=True):
        pairs = list(zip(ups, downs, strict=False))
        top = max(range(len(pairs)), key=lambda place: (pairs[place][1], place))
        expected = pairs[-1][0] - pairs[top][0] > 0.05 and pairs[top][1] - pairs[-1][1] > 0.1
        said = condition(History.of([{rising: up, falling: down} for up, down in pairs]))
        assert (said is not None) == expected
        fired.append(expected)
    both_happen(fired)


def test_canaries_are_overconfident_by_the_difference_of_two_means():
    fired = []
    for sure, right in np.random.default_rng(5).uniform(size=(100, 2)).tolist():
        said = CanariesOverconfident(0.25)(
            History.of([{"round/canary_confidence": sure, "round/canary_accuracy": right}])
        )
        assert (said is not None) == (sure > right + 0.25)
        fired.append(said is not None)
    both_happen(fired)


def test_a_held_out_metric_that_is_to_be_small_falls_by_rising():
    history = History.of([{"reward": 1.0, "loss": 0.5}, {"reward": 2.0, "loss": 0.75}])
    assert (
        Overoptimised("reward", "loss", "min")(history) == "reward rose from 1 to 2, while loss went from 0.5 to 0.75"
    )
    assert Overoptimised("reward", "loss", "max")(history) is None


def test_certainty_that_comes_with_the_best_held_out_metric_is_learning():
    metrics = [{"round/answer_entropy": 1.0, "val": 0.5}, {"round/answer_entropy": 0.1, "val": 0.75}]
    condition = AnswerCollapse(0.25, held_out="val")
    assert condition(History.of(metrics)) is None
    assert condition(History.of([metrics[0], {**metrics[1], "val": 0.25}])) is not None


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ([{"round/rows": 0}], True),
        ([{"round/rows": 5}], False),  # nothing is known of labels, as in language
        ([{"round/rows": 5, "round/flip_rate": 0.0, "round/new_inputs": 0}], True),
        ([{"round/rows": 5, "round/flip_rate": 0.0, "round/new_inputs": 1}], False),
        ([{"round/rows": 5, "round/flip_rate": 0.25, "round/new_inputs": 0}], False),
    ],
)
def test_no_new_data(last, expected):
    first = {"round/rows": 5, "round/new_inputs": 5}
    assert (NoNewData()(History.of([first, *last])) is not None) == expected
    assert NoNewData(rounds=2)(History.of([first, *last])) is None
    assert (NoNewData(rounds=2)(History.of([first, *last, *last])) is not None) == expected


def test_a_budget_adds_up_all_rounds():
    def record(tokens, judged, seconds):
        length = tokens / 4
        counts = {"round/candidates": 4, "round/completion_tokens": length, "round/judgements": judged}
        return {**counts, "round/seconds": seconds}

    history = History.of([record(100, 3, 2.0), record(60, 0, 0.5)])
    assert Budget(tokens=160)(history) == "160 of 160 tokens are spent"
    assert Budget(tokens=161)(history) is None
    assert Budget(judge_calls=3)(history) == "3 of 3 judge calls are spent"
    assert Budget(seconds=2.5)(history) == "2.5 of 2.5 seconds are spent"
    assert Budget(tokens=1000, seconds=2.0, judge_calls=1000)(history) == "2.5 of 2 seconds are spent"
    assert set(Budget(tokens=1, seconds=1).watches) == {
        "round/candidates", "round/completion_tokens", "round/seconds"
    }  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [
        lambda: Budget(),
        lambda: Budget(tokens=0),
        lambda: LengthDrift(1.0),
        lambda: NoGain("m", rounds=0),
        lambda: NoNewData(rounds=0),
        lambda: LittleToGain("m", 0.101, window=1),
        lambda: ClassCollapse(1.5),
        lambda: LabelFlips(-0.1),
    ],
)
def test_bounds_that_make_no_sense_are_refused(make):
    with pytest.raises(PipelineError):
        make()
