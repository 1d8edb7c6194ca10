import itertools

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Dedup, FarthestPoint, Steps
from tests.ops.tables import check_empty, check_keeps_order, ids, random_table, run, table_of

DEDUPS = [
    Dedup(["features"]),
    Dedup(["features", "label"], score="scores.confidence"),
    Dedup(["label"], score="scores.confidence", keep_above=False),
    Dedup(["probs"], decimals=1),
]
FARTHEST = [
    FarthestPoint(5, "features"),
    FarthestPoint(5, "probs", score="scores.confidence"),
    FarthestPoint(9, "features", score="scores.confidence", cosine=True, keep_above=False),
]


def plane(points, ids=None, **columns):
    points = np.asarray(points, dtype=np.float64)
    return write(table_of(np.full((len(points), 2), 0.5), ids, **columns), features=points)


def dedup_by_loop(table, columns, score, largest, decimals):
    """Compare every row with every other."""
    rows = table.to_pylist()
    kept = []
    for mine in rows:
        beaten = False
        for other in rows:
            same = all(np.array_equal(_rounded(mine[c], decimals), _rounded(other[c], decimals)) for c in columns)
            if other is mine or not same:
                continue
            if score is None or mine[score] == other[score]:
                beaten |= other["id"] < mine["id"]
            else:
                beaten |= (other[score] > mine[score]) == largest
        if not beaten:
            kept.append(mine["id"])
    return kept


def _rounded(value, decimals):
    return value if decimals is None else np.asarray(value, dtype=np.float32).round(decimals)


@pytest.mark.parametrize("op", DEDUPS, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_dedup_against_a_loop(op, seed):
    table = random_table(seed=seed)
    wanted = dedup_by_loop(table, op.columns, op.score, op.keep_above, op.decimals)
    assert ids(run(op, table)) == wanted
    assert len(wanted) < table.num_rows


@pytest.mark.parametrize("op", [*DEDUPS, *FARTHEST], ids=str)
def test_order_and_empty(op):
    check_keeps_order(op)
    check_empty(op)


def test_dedup_of_strings_and_lists():
    table = pa.table(
        {"id": [0, 1, 2, 3], "hash": ["a", "b", "a", "b"], "tokens": pa.array([[1, 2], [1], [1, 2], [1, 3]])}
    )
    assert ids(Dedup(["hash"])(table, None)) == [0, 1]
    assert ids(Dedup(["tokens"])(table, None)) == [0, 1, 3]
    assert ids(Dedup(["hash", "tokens"])(table, None)) == [0, 1, 3]


def test_dedup_compares_exactly_unless_told_to_round():
    table = plane([[0.1, 0.2], [0.1 + 1e-12, 0.2], [0.0, 0.2], [-0.0, 0.2]])
    assert ids(run(Dedup(["features"]), table)) == [0, 1, 2]
    assert ids(run(Dedup(["features"], decimals=6), table)) == [0, 2]


def test_dedup_refuses_nan_and_no_columns():
    with pytest.raises(DataError, match="NaN"):
        run(Dedup(["features"]), plane([[0.1, np.nan]]))
    with pytest.raises(PipelineError, match=r"for example \['label'\]"):
        Dedup([])
    with pytest.raises(PipelineError, match=r"for example \['label'\]"):
        Dedup("label")


def test_requires_what_it_needs():
    assert Dedup(["a", "b"]).requires == ("a", "b")
    assert Dedup(["a"], score="s").requires == ("a", "s")
    assert FarthestPoint(1, "f").requires == ("f",)
    assert FarthestPoint(1, "f", score="s").requires == ("f", "s")


def farthest_by_loop(table, op):
    """Gonzalez's algorithm over rows in the order of their ids, every distance anew in every step."""
    rows = sorted(table.to_pylist(), key=lambda row: row["id"])
    points = {row["id"]: np.asarray(row[op.column], dtype=np.float64) for row in rows}
    if op.cosine:
        points = {i: p / (np.sqrt((p * p).sum()) or 1.0) for i, p in points.items()}
    start = rows[0]
    if op.score is not None:
        for row in rows[1:]:
            better = row[op.score] > start[op.score] if op.keep_above else row[op.score] < start[op.score]
            start = row if better else start
    taken = [start["id"]]
    while len(taken) < min(op.k, len(rows)):
        best, far = None, -1.0
        for i, p in points.items():
            near = min(((p - points[j]) ** 2).sum() for j in taken)
            if i not in taken and near > far:
                best, far = i, near
        taken.append(best)
    return set(taken)


@pytest.mark.parametrize("op", FARTHEST, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_farthest_point_against_a_loop(op, seed):
    draw = np.random.default_rng(seed)
    table = write(random_table(seed=seed), features=draw.normal(size=(60, 3)))
    assert set(ids(run(op, table))) == farthest_by_loop(table, op)


def radius(points, chosen):
    return max(min(np.linalg.norm(p - points[c]) for c in chosen) for p in points)


def test_farthest_point_is_within_twice_the_best_cover():
    for seed in range(5):
        points = np.random.default_rng(seed).normal(size=(12, 2))
        chosen = ids(run(FarthestPoint(3, "features"), plane(points)))
        best = min(radius(points, c) for c in itertools.combinations(range(12), 3))
        assert radius(points, chosen) <= 2 * best


def test_farthest_point_of_ties_takes_low_ids():
    table = plane([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], ids=[5, 9, 3, 7])
    assert sorted(ids(run(FarthestPoint(2, "features"), table))) == [3, 9]
    table = plane([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], ids=[1, 9, 3, 7])
    assert sorted(ids(run(FarthestPoint(2, "features"), table))) == [1, 3]


def test_farthest_point_takes_repeats_when_nothing_else_is_left():
    table = plane([[1.0, 1.0]] * 5)
    assert ids(run(FarthestPoint(3, "features"), table)) == [0, 1, 2]
    assert ids(run(FarthestPoint(9, "features"), table)) == [0, 1, 2, 3, 4]


def test_cosine_looks_at_directions_only():
    table = plane([[1.0, 0.0], [100.0, 0.0], [0.0, 0.1], [0.0, 0.0]])
    assert ids(run(FarthestPoint(2, "features"), table)) == [0, 1]
    assert ids(run(FarthestPoint(2, "features", cosine=True), table)) == [0, 2]


def test_farthest_point_follows_a_schedule():
    op = FarthestPoint(Steps([2.0, 3.5]), "features")
    assert [run(op, random_table(), round).num_rows for round in range(2)] == [2, 4]


def test_farthest_point_refuses_what_it_cannot_measure():
    with pytest.raises(DataError, match="vectors of finite numbers"):
        run(FarthestPoint(1, "features"), plane([[np.inf, 0.0]]))
    with pytest.raises(DataError, match="vectors of finite numbers"):
        run(FarthestPoint(1, "label"), random_table())
    with pytest.raises(PipelineError, match=r"FarthestPoint\(k\) is 0"):
        FarthestPoint(0, "features")


def test_rows_ascend_whatever_the_order_taken():
    made = run(FarthestPoint(3, "features"), plane([[0.0], [1.0], [9.0], [4.0]]))
    assert read(made, "row").tolist() == [0, 2, 3]
