import math

import numpy as np
import pytest

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import AdaMatch, Context, FlexMatch, FreeMatch, FromMetric, Linear
from tests.ops.tables import (
    POOL,
    by_id,
    check_empty,
    check_goes_on,
    check_keeps_order,
    ids,
    random_table,
    rounds_of,
    run,
    table_of,
)

ALL = [FlexMatch(0.7), FlexMatch(0.7, momentum=0.5, warm_up=False), FreeMatch(), AdaMatch(), AdaMatch(reference=0.8)]
TABLES = [np.random.default_rng(seed).dirichlet([0.3, 0.5, 0.9, 0.2], size=40 + seed) for seed in range(4)]


def first_largest(row):
    return row.index(max(row))


def passing(probs, thresholds):
    return [i for i, row in enumerate(probs) if max(row) >= thresholds[first_largest(row)]]


def averaged(old, new, momentum):
    return [momentum * o + (1 - momentum) * n for o, n in zip(old, new, strict=True)]


MAPPINGS = {"linear": lambda x: x, "convex": lambda x: x / (2 - x), "concave": lambda x: math.log(x + 1) / math.log(2)}


def flexmatch_by_loop(tables, tau, warm_up, mapping, momentum):
    """FlexMatch, section 3, in one update a round."""
    beta, made = None, []
    for probs in tables:
        classes = len(probs[0])
        sigma = [sum(1 for row in probs if max(row) >= tau and first_largest(row) == c) for c in range(classes)]
        unused = len(probs) - sum(sigma)
        most = max(*sigma, unused) if warm_up else max(sigma)
        now = [s / most if most else 0.0 for s in sigma]
        beta = now if beta is None else averaged(beta, now, momentum)
        thresholds = [MAPPINGS[mapping](b) * tau for b in beta]
        made.append((passing(probs, thresholds), thresholds))
    return made


@pytest.mark.parametrize("tau", [0.6, 0.95, 1.0])
@pytest.mark.parametrize("warm_up", [True, False])
@pytest.mark.parametrize("mapping", list(MAPPINGS))
@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_flexmatch_against_a_loop(tau, warm_up, mapping, momentum):
    memory = {}
    wanted = flexmatch_by_loop([t.tolist() for t in TABLES], tau, warm_up, mapping, momentum)
    for round, (probs, (rows, thresholds)) in enumerate(zip(TABLES, wanted, strict=True)):
        made = run(FlexMatch(tau, warm_up, mapping, momentum), table_of(probs), round, memory)
        np.testing.assert_allclose(memory["thresholds"], thresholds, rtol=1e-12)
        assert ids(made) == rows


def test_flexmatch_asks_less_of_a_class_that_is_learnt_worse():
    probs = [[0.97, 0.03]] * 8 + [[0.03, 0.97]] * 2 + [[0.4, 0.6], [0.6, 0.4]]
    memory = {}
    kept = ids(run(FlexMatch(0.95, mapping="linear"), table_of(probs), memory=memory))
    assert memory["status"] == [1.0, 0.25]
    assert kept == list(range(11))


def test_flexmatch_warm_up_lowers_all_thresholds_while_most_are_unsure():
    probs = [[0.96, 0.04]] + [[0.7, 0.3]] * 9
    assert run(FlexMatch(0.95), table_of(probs)).num_rows == 10
    assert run(FlexMatch(0.95, warm_up=False), table_of(probs)).num_rows == 1


def test_flexmatch_with_no_confident_row_at_all():
    for warm_up in (True, False):
        assert run(FlexMatch(0.95, warm_up), table_of([[0.6, 0.4], [0.5, 0.5]])).num_rows == 2


def test_a_float32_confidence_of_the_threshold_itself_passes():
    probs = np.array([[0.95, 0.05], [0.9499, 0.0501]], dtype=np.float32)
    table, memory = write(table_of(probs), probs=probs), {}
    assert ids(run(FlexMatch(0.95, warm_up=False), table, memory=memory)) == [0]
    assert memory["thresholds"] == [0.95, 0.0]


def freematch_by_loop(tables, momentum):
    """FreeMatch's self-adaptive thresholding, in one update a round."""
    classes, made = len(tables[0][0]), []
    level, mean = 1 / classes, [1 / classes] * classes
    for probs in tables:
        level = momentum * level + (1 - momentum) * math.fsum(max(row) for row in probs) / len(probs)
        now = [math.fsum(row[c] for row in probs) / len(probs) for c in range(classes)]
        mean = averaged(mean, now, momentum)
        thresholds = [m / max(mean) * level for m in mean]
        made.append((passing(probs, thresholds), thresholds, level))
    return made


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.99])
def test_freematch_against_a_loop(momentum):
    memory = {}
    wanted = freematch_by_loop([t.tolist() for t in TABLES], momentum)
    for round, (probs, (rows, thresholds, level)) in enumerate(zip(TABLES, wanted, strict=True)):
        made = run(FreeMatch(momentum), table_of(probs), round, memory)
        np.testing.assert_allclose(memory["thresholds"], thresholds, rtol=1e-12)
        assert memory["confidence"] == pytest.approx(level, rel=1e-12)
        assert ids(made) == rows
    assert len({len(rows) for rows, _, _ in wanted}) > 1


def test_freematch_starts_from_chance():
    table = table_of([[0.9, 0.1], [0.1, 0.9]])
    memory = {}
    run(FreeMatch(momentum=1.0), table, memory=memory)
    assert memory["thresholds"] == [0.5, 0.5]


def adamatch_by_loop(tables, fraction, momentum):
    """AdaMatch's relative threshold, relative to the running mean of the confidence."""
    usual, made = None, []
    for probs in tables:
        now = math.fsum(max(row) for row in probs) / len(probs)
        usual = now if usual is None else momentum * usual + (1 - momentum) * now
        made.append([i for i, row in enumerate(probs) if max(row) >= fraction * usual])
    return made


@pytest.mark.parametrize("fraction", [0.5, 0.9, 1.1])
@pytest.mark.parametrize("momentum", [0.0, 0.7])
def test_adamatch_against_a_loop(fraction, momentum):
    memory = {}
    wanted = adamatch_by_loop([t.tolist() for t in TABLES], fraction, momentum)
    for round, (probs, rows) in enumerate(zip(TABLES, wanted, strict=True)):
        op = AdaMatch(fraction, momentum=momentum)
        assert ids(run(op, table_of(probs), round, memory)) == rows


def test_adamatch_relative_to_a_metric():
    table, memory = table_of([[0.9, 0.1], [0.7, 0.3], [0.55, 0.45]]), {}
    op = AdaMatch(0.75, reference=FromMetric("train_confidence")).at(3, {"train_confidence": 0.8})
    assert ids(op(table, Context(POOL, memory=memory))) == [0, 1]
    assert memory == {"threshold": pytest.approx(0.6)}


def test_parameters_follow_schedules():
    table = table_of([[0.9, 0.1], [0.7, 0.3], [0.55, 0.45]])
    op = AdaMatch(Linear(0.0, 1.0, rounds=1), reference=0.8)
    assert [run(op, table, round).num_rows for round in range(2)] == [3, 1]


@pytest.mark.parametrize("op", ALL, ids=str)
def test_order_and_empty(op):
    check_keeps_order(op)
    check_empty(op)


@pytest.mark.parametrize("op", ALL, ids=str)
def test_rounds_go_on_from_memory(op):
    check_goes_on(op)


@pytest.mark.parametrize(
    "op", [FlexMatch(0.7, momentum=0.9, warm_up=False), FreeMatch(), AdaMatch(momentum=0.9)], ids=str
)
def test_memory_matters(op):
    table, fresh = random_table(seed=2, sharp=0.5), {}
    run(op, table, 2, fresh)
    assert rounds_of(op)[2][1] != fresh
    memory = {}
    run(op, random_table(seed=0, sharp=6.0), 0, memory)
    assert by_id(run(op, table, 1, memory)) != by_id(run(op, table, 1, {}))


def test_one_row_passes_its_own_mean():
    table = table_of([[0.7, 0.3]])
    for op in (FlexMatch(0.5), FreeMatch(0.0), AdaMatch(1.0)):
        assert run(op, table).num_rows == 1


@pytest.mark.parametrize("top", [0.6, 0.7, 0.9, 1.0])
def test_equal_rows_all_pass_the_mean_of_themselves(top):
    probs = np.repeat([[top, (1 - top) / 2, (1 - top) / 2]], 1000, axis=0)
    for op in (FreeMatch(0.0), AdaMatch(1.0)):
        assert run(op, table_of(probs)).num_rows == 1000


@pytest.mark.parametrize("op", [FlexMatch(momentum=0.5), FreeMatch()], ids=str)
def test_another_number_of_classes_is_refused(op):
    memory = {}
    run(op, random_table(classes=4), memory=memory)
    with pytest.raises(DataError, match="number of classes changed"):
        run(op, random_table(classes=3), memory=memory)


@pytest.mark.parametrize(
    "make",
    [
        lambda: FlexMatch(threshold=1.5),
        lambda: FlexMatch(momentum=-0.1),
        lambda: FlexMatch(momentum=1.1),
        lambda: FreeMatch(momentum=2.0),
        lambda: AdaMatch(fraction=-1.0),
        lambda: AdaMatch(reference=1.5),
        lambda: AdaMatch(momentum=1.1),
        lambda: AdaMatch(momentum=float("nan")),
    ],
)
def test_parameters_out_of_range(make):
    with pytest.raises(PipelineError, match="Give a number from 0"):
        make()


def test_nothing_but_rows_changes():
    table = random_table()
    for op in ALL:
        made = run(op, table)
        assert made.schema == table.schema
        assert made.equals(table.take(read(made, "row")))
