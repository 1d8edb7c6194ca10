import math

import numpy as np
import pytest

from lit_iterative.columns import read
from lit_iterative.errors import PipelineError
from lit_iterative.ops import SoftMatch
from tests.ops.tables import by_id, check_empty, check_goes_on, check_keeps_order, ids, random_table, run, table_of

TABLES = [np.random.default_rng(seed).dirichlet([0.3, 0.5, 0.9], size=30 + seed) for seed in range(3)]


def softmatch_by_loop(tables, momentum, largest, width):
    """SoftMatch, section 3, in one update a round."""
    mu, variance, made = 1 / len(tables[0][0]), 1.0, []
    for probs in tables:
        top = [max(row) for row in probs]
        mean = math.fsum(top) / len(top)
        biased = math.fsum((t - mean) ** 2 for t in top) / len(top)
        mu = momentum * mu + (1 - momentum) * mean
        variance = momentum * variance + (1 - momentum) * biased * len(top) / (len(top) - 1)
        weights = []
        for t in top:
            gaussian = math.exp(-((t - mu) ** 2) / (2 * variance * width**2))
            weights.append(largest * gaussian if t < mu else largest)
        made.append((weights, mu, variance))
    return made


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.99])
@pytest.mark.parametrize(("largest", "width"), [(1.0, 1.0), (2.5, 0.5), (0.5, 2.0)])
def test_against_a_loop(momentum, largest, width):
    memory = {}
    wanted = softmatch_by_loop([t.tolist() for t in TABLES], momentum, largest, width)
    for round, (probs, (weights, mu, variance)) in enumerate(zip(TABLES, wanted, strict=True)):
        made = run(SoftMatch(momentum, largest, width), table_of(probs), round, memory)
        np.testing.assert_allclose(read(made, "weight"), weights, rtol=2e-6)
        assert memory["mean"] == pytest.approx(mu, rel=1e-12)
        assert memory["variance"] == pytest.approx(variance, rel=1e-12)


def test_drops_nothing():
    table = random_table()
    made = run(SoftMatch(), table)
    assert ids(made) == ids(table)
    assert read(made, "weight").dtype == np.float32


def test_more_confident_rows_weigh_no_less():
    table = random_table(rows=200)
    made = run(SoftMatch(momentum=0.0), table)
    order = np.argsort(read(made, "probs").max(axis=1))
    weight = read(made, "weight")[order]
    assert (np.diff(weight) >= 0).all()
    assert weight[0] < 0.3
    assert weight[-1] == 1.0


@pytest.mark.parametrize("rows", [1, 2, 3, 1000])
@pytest.mark.parametrize("top", [0.7, 0.9, 1.0])
def test_equal_rows_have_full_weight(rows, top):
    made = run(SoftMatch(momentum=0.0), table_of(np.repeat([[top, 1 - top]], rows, axis=0)))
    assert read(made, "weight").tolist() == [1.0] * rows


def test_one_row_has_no_variance():
    memory = {}
    run(SoftMatch(momentum=0.25), table_of([[0.9, 0.1]]), memory=memory)
    assert memory == {"mean": pytest.approx(0.25 * 0.5 + 0.75 * 0.9), "variance": 0.25}


def test_a_mean_of_the_past_without_variance_is_a_step():
    memory = {"mean": 0.8, "variance": 0.0}
    made = run(SoftMatch(momentum=1.0), table_of([[0.9, 0.1], [0.7, 0.3]]), 1, memory)
    assert read(made, "weight").tolist() == [1.0, 0.0]


def test_order_empty_and_memory():
    check_keeps_order(SoftMatch())
    check_empty(SoftMatch())
    check_goes_on(SoftMatch())


def test_memory_matters():
    table, memory = random_table(seed=2), {}
    run(SoftMatch(), random_table(seed=0, sharp=6.0), memory=memory)
    assert by_id(run(SoftMatch(), table, 1, memory)) != by_id(run(SoftMatch(), table, 1))


@pytest.mark.parametrize("options", [{"momentum": 1.1}, {"largest": -1.0}, {"width": 0.0}])
def test_parameters_out_of_range(options):
    with pytest.raises(PipelineError, match="Give a number"):
        SoftMatch(**options)
