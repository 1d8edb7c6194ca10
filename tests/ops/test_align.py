import math

import numpy as np
import pytest

from lit_iterative.columns import read
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import DistributionAlignment, Sinkhorn
from tests.ops.tables import (
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


def sinkhorn_by_loop(probs, prior, epsilon, iterations):
    """Cuturi's algorithm 1, one entry at a time: u = r / Kv, v = c / K'u, with K = P^(1/epsilon)."""
    rows, classes = len(probs), len(prior)
    kernel = [[p ** (1 / epsilon) for p in row] for row in probs]
    u = [1.0] * rows
    for _ in range(iterations):
        v = [prior[c] * rows / math.fsum(kernel[i][c] * u[i] for i in range(rows)) for c in range(classes)]
        u = [1.0 / math.fsum(kernel[i][c] * v[c] for c in range(classes)) for i in range(rows)]
    return [[u[i] * kernel[i][c] * v[c] for c in range(classes)] for i in range(rows)]


def random_probs(rows=12, classes=3, seed=0):
    return np.random.default_rng(seed).dirichlet([0.5] * classes, size=rows)


@pytest.mark.parametrize("epsilon", [1.0, 0.3, 2.5])
@pytest.mark.parametrize("iterations", [1, 3, 50])
@pytest.mark.parametrize("prior", [None, [5, 3, 2]])
def test_sinkhorn_against_a_loop(epsilon, iterations, prior):
    probs = random_probs()
    made = read(run(Sinkhorn(epsilon, iterations, 0.0, prior), table_of(probs)), "probs")
    shares = [1 / 3] * 3 if prior is None else [p / sum(prior) for p in prior]
    wanted = sinkhorn_by_loop(probs.tolist(), shares, epsilon, iterations)
    np.testing.assert_allclose(made, wanted, rtol=2e-6)


def test_sinkhorn_reaches_the_prior():
    probs = random_probs(rows=200, classes=4)
    made = read(run(Sinkhorn(prior=[4, 3, 2, 1], iterations=1000), table_of(probs)), "probs").astype(np.float64)
    np.testing.assert_allclose(made.mean(axis=0), [0.4, 0.3, 0.2, 0.1], atol=2e-6)
    np.testing.assert_allclose(made.sum(axis=1), 1.0, atol=1e-6)


def test_sinkhorn_is_the_best_assignment():
    """No other plan with the same sums does better: any move of mass round a square lowers the objective."""
    epsilon, draw = 0.7, np.random.default_rng(3)
    probs = random_probs()
    plan = read(run(Sinkhorn(epsilon, 5000, 0.0), table_of(probs)), "probs").astype(np.float64)

    def objective(q):
        return (q * np.log(probs)).sum() - epsilon * (q * np.log(q)).sum()

    for _ in range(50):
        i, j = draw.choice(len(probs), 2, replace=False)
        a, b = draw.choice(3, 2, replace=False)
        step = 0.5 * min(plan[i, a], plan[j, b])
        other = plan.copy()
        other[i, a] -= step
        other[j, b] -= step
        other[i, b] += step
        other[j, a] += step
        assert objective(other) < objective(plan)


def test_sinkhorn_leaves_what_is_balanced():
    probs = np.array([[0.9, 0.1], [0.1, 0.9]])
    np.testing.assert_allclose(read(run(Sinkhorn(), table_of(probs)), "probs"), probs, rtol=1e-6)


def test_sinkhorn_with_little_entropy_is_a_hard_balanced_assignment():
    probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    made = read(run(Sinkhorn(epsilon=0.01, iterations=2000), table_of(probs)), "probs")
    np.testing.assert_allclose(made, [[1, 0], [1, 0], [0, 1], [0, 1]], atol=1e-3)


def test_sinkhorn_stops_at_the_tolerance():
    probs, prior = random_probs(rows=40), np.full(3, 1 / 3)
    errors = []
    for tolerance in (0.05, 1e-3, 0.0):
        made = read(run(Sinkhorn(tolerance=tolerance, iterations=500), table_of(probs)), "probs")
        errors.append(np.abs(made.mean(axis=0, dtype=np.float64) - prior).max())
    assert errors[0] <= 0.05
    assert errors[1] <= 1e-3 < errors[0]
    assert errors[2] < 1e-6 < errors[1]


@pytest.mark.parametrize(
    "probs",
    [[[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], [[1 - 1e-38, 1e-38]], [[0.5, 0.5]]],
)
@pytest.mark.parametrize("prior", [None, [1, 0]])
def test_sinkhorn_of_extreme_predictions_is_finite(probs, prior):
    made = read(run(Sinkhorn(0.05, prior=prior), table_of(probs)), "probs")
    assert np.isfinite(made).all()
    np.testing.assert_allclose(made.sum(axis=1), 1.0, rtol=1e-6)
    if prior is not None:
        assert not made[:, 1].any()


def alignment_by_loop(tables, prior, momentum):
    """ReMixMatch, section 3.1, round by round; returns the predictions and the running means."""
    mean, made = None, []
    for probs in tables:
        now = [math.fsum(row[c] for row in probs) / len(probs) for c in range(len(prior))]
        mean = now if mean is None else [momentum * m + (1 - momentum) * n for m, n in zip(mean, now, strict=True)]
        rows = []
        for row in probs:
            scaled = [q * p / m for q, p, m in zip(row, prior, mean, strict=True)]
            rows.append([s / math.fsum(scaled) for s in scaled])
        made.append((rows, mean))
    return made


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("prior", [None, [5, 3, 2]])
def test_alignment_against_a_loop(momentum, prior):
    tables, memory = [random_probs(rows=20 + seed, seed=seed) for seed in range(3)], {}
    shares = [1 / 3] * 3 if prior is None else [p / sum(prior) for p in prior]
    wanted = alignment_by_loop([t.tolist() for t in tables], shares, momentum)
    for round, (probs, (rows, mean)) in enumerate(zip(tables, wanted, strict=True)):
        made = run(DistributionAlignment(momentum, prior), table_of(probs), round, memory)
        np.testing.assert_allclose(read(made, "probs"), rows, rtol=1e-6)
        np.testing.assert_allclose(memory["mean"], mean, rtol=1e-12)


def test_alignment_changes_nothing_where_the_mean_is_the_prior():
    probs = np.array([[0.9, 0.1], [0.1, 0.9]])
    np.testing.assert_allclose(read(run(DistributionAlignment(), table_of(probs)), "probs"), probs, rtol=1e-6)


def test_alignment_of_classes_never_seen_and_of_prior_zero():
    made = read(run(DistributionAlignment(), table_of([[1.0, 0.0], [1.0, 0.0]])), "probs")
    assert made.tolist() == [[1.0, 0.0], [1.0, 0.0]]
    made = read(run(DistributionAlignment(prior=[0, 1, 1]), table_of([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])), "probs")
    assert made.tolist() == [[0.0, 0.5, 0.5], [0.0, 1.0, 0.0]]


def test_alignment_refuses_another_number_of_classes():
    memory = {}
    run(DistributionAlignment(), random_table(classes=4), memory=memory)
    with pytest.raises(DataError, match="number of classes changed"):
        run(DistributionAlignment(), random_table(classes=3), memory=memory)


def test_alignment_goes_on_from_memory():
    check_goes_on(DistributionAlignment())
    fresh = by_id(run(DistributionAlignment(), random_table(seed=2)))
    assert rounds_of(DistributionAlignment())[2][0] != fresh


@pytest.mark.parametrize("op", [Sinkhorn(), Sinkhorn(0.1, 3), DistributionAlignment()], ids=str)
def test_order_and_empty(op):
    check_keeps_order(op)
    check_empty(op)


@pytest.mark.parametrize("op", [Sinkhorn(), DistributionAlignment()], ids=str)
def test_nothing_is_dropped_and_the_type_is_float32(op):
    made = run(op, table_of(random_probs()))
    assert ids(made) == list(range(12))
    assert read(made, "probs").dtype == np.float32


@pytest.mark.parametrize("op", [Sinkhorn, DistributionAlignment])
def test_bad_priors(op):
    with pytest.raises(PipelineError, match="Give a share or a count"):
        op(prior=[0.5, -0.5])
    with pytest.raises(DataError, match="2 numbers but there are 4 classes"):
        run(op(prior=[0.5, 0.5]), random_table())


@pytest.mark.parametrize(
    "make",
    [
        lambda: Sinkhorn(epsilon=0.0),
        lambda: Sinkhorn(iterations=0),
        lambda: Sinkhorn(tolerance=-1.0),
        lambda: DistributionAlignment(momentum=1.1),
    ],
)
def test_parameters_out_of_range(make):
    with pytest.raises(PipelineError, match="Give a number"):
        make()
