import math

import numpy as np
import pytest

from lit_iterative.columns import write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Context, Dash, FromMetric
from tests.ops.tables import (
    POOL,
    by_id,
    check_empty,
    check_goes_on,
    check_keeps_order,
    ids,
    random_table,
    run,
    table_of,
)

TABLES = [np.random.default_rng(seed).dirichlet([0.3, 0.5, 0.9], size=30 + seed) for seed in range(4)]


def dash_by_loop(tables, factor, gamma, lowest):
    """Dash with t in rounds, from 1 on: rho_t = C gamma^-(t-1) rho_hat."""
    first, made = None, []
    for t, probs in enumerate(tables, start=1):
        losses = [-math.log(max(row)) for row in probs]
        first = math.fsum(losses) / len(losses) if first is None else first
        bound = max(lowest, factor * gamma ** (-(t - 1)) * first)
        made.append(([i for i, loss in enumerate(losses) if loss <= bound], bound))
    return made


@pytest.mark.parametrize(("factor", "gamma", "lowest"), [(1.0001, 1.27, 0.05), (1.5, 1.0, 0.0), (1.0, 3.0, 0.2)])
def test_against_a_loop(factor, gamma, lowest):
    memory = {}
    wanted = dash_by_loop([t.tolist() for t in TABLES], factor, gamma, lowest)
    for round, (probs, (rows, bound)) in enumerate(zip(TABLES, wanted, strict=True)):
        made = run(Dash(factor, gamma, lowest=lowest), table_of(probs), round, memory)
        assert memory["bound"] == pytest.approx(bound, rel=1e-12)
        assert ids(made) == rows


def test_shrinks_from_its_own_first_round():
    table, memory = random_table(), {}
    bounds = []
    for round in (3, 4, 6):
        run(Dash(lowest=0.0), table, round, memory)
        bounds.append(memory["bound"])
    assert memory["first_round"] == 3
    assert bounds[0] / bounds[1] == pytest.approx(1.27)
    assert bounds[1] / bounds[2] == pytest.approx(1.27**2)


def test_confident_rows_pass_in_the_end():
    table, memory = table_of([[0.96, 0.04], [0.94, 0.06], [0.5, 0.5]]), {}
    assert [ids(run(Dash(), table, round, memory)) for round in (0, 50)] == [[0, 1], [0]]


def test_an_initial_loss_counts_in_the_first_round_only():
    table, memory = table_of([[0.9, 0.1], [0.6, 0.4], [0.55, 0.45]]), {}
    op = Dash(factor=1.0, gamma=1.0, initial=FromMetric("train_loss"))
    first = op.at(0, {"train_loss": 0.55})(table, Context(POOL, round=0, memory=memory))
    later = op.at(1, {"train_loss": 0.01})(table, Context(POOL, round=1, memory=memory))
    assert ids(first) == ids(later) == [0, 1]
    assert memory["initial"] == 0.55


def test_another_loss():
    table = write(random_table(rows=4), **{"scores.loss": np.array([4.0, 1.0, 2.0, 1.0])}).drop_columns("probs")
    op = Dash(factor=1.0, column="scores.loss")
    assert op.requires == ("scores.loss",)
    assert sorted(ids(run(op, table))) == sorted(ids(table)[1:])
    with pytest.raises(DataError, match="NaN"):
        run(op, write(table, **{"scores.loss": np.array([4.0, 1.0, np.nan, 1.0])}))


def test_equal_rows_all_pass():
    assert run(Dash(), table_of(np.repeat([[0.7, 0.3]], 1000, axis=0))).num_rows == 1000


def test_order_empty_and_memory():
    check_keeps_order(Dash())
    check_empty(Dash())
    check_goes_on(Dash())


def test_memory_matters():
    table, memory = random_table(seed=2), {}
    run(Dash(), random_table(seed=0, sharp=6.0), memory=memory)
    assert by_id(run(Dash(), table, 1, memory)) != by_id(run(Dash(), table, 1))


@pytest.mark.parametrize("options", [{"factor": 0.0}, {"gamma": 0.9}, {"initial": -1.0}, {"lowest": -0.1}])
def test_parameters_out_of_range(options):
    with pytest.raises(PipelineError, match="Give a number"):
        Dash(**options)
