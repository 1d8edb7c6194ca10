import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Context, Shares, Where
from lit_iterative.pool import Pool

SHARES = {"new": 0.7, "old": 0.2, "other": 0.1}


def shared(kinds, weights, shares=None):
    table = pa.table({"id": range(len(kinds)), "row": range(len(kinds)), "kind": kinds, "weight": weights})
    context = Context(Pool([0], 1))
    return Shares("kind", shares or SHARES)(table, context)["weight"].to_numpy(), context.tally.values()


def test_every_kind_has_its_share_of_all_weights():
    draw = np.random.default_rng(0)
    kinds, weights = draw.choice(list(SHARES), 50).tolist(), draw.uniform(0.1, 3, 50)
    made, counts = shared(kinds, weights)
    assert made.sum() == pytest.approx(weights.sum(), rel=1e-6)
    for kind, share in SHARES.items():
        mask = np.array(kinds) == kind
        assert made[mask].sum() == pytest.approx(share * weights.sum(), rel=1e-6)
        np.testing.assert_allclose(made[mask] / made[mask].sum(), weights[mask] / weights[mask].sum(), rtol=1e-6)
        assert counts[kind] == mask.sum()


def test_kinds_without_rows_leave_their_part_to_the_others():
    made, counts = shared(["new", "other", "new"], [1.0, 1.0, 1.0])
    np.testing.assert_allclose(made, [3 * 0.875 / 2, 3 * 0.125, 3 * 0.875 / 2], rtol=1e-6)
    assert counts["old"] == 0
    assert shared(["new"], [0.0])[0].tolist() == [0.0]


def test_other_kinds_and_bad_shares_are_refused():
    with pytest.raises(DataError, match=r"Rows have \['x'\] in 'kind'"):
        shared(["x"], [1.0])
    for bad in ({}, {"new": 0.0}, {"new": float("nan")}):
        with pytest.raises(PipelineError, match="Give a number above 0"):
            Shares("kind", bad)


@pytest.mark.parametrize(("column", "value", "kept"), [("kind", "a", [0, 2]), ("level", 1, [1, 2]), ("kind", "c", [])])
def test_where(column, value, kept):
    table = pa.table({"id": [0, 1, 2], "kind": ["a", "b", "a"], "level": [0.0, 1.0, 1.0]})
    assert Where(column, value)(table, None)["id"].to_pylist() == kept
