from collections import Counter

import numpy as np
import pytest

from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops.language.score.combine import Combine, Fallback, Standardise
from lit_iterative.ops.language.testing import candidates
from tests.ops.language.tables import check_order_of_groups, grouped, random_candidates, run

NAMES = ("scores.a", "scores.b", "scores.c")


def scored(rows=200, seed=0):
    draw = np.random.default_rng(seed)
    columns = {name: np.where(draw.random(rows) < 0.3, np.nan, draw.normal(size=rows)) for name in NAMES}
    return candidates(["x"] * rows, [row // 5 for row in range(rows)], **columns)


@pytest.mark.parametrize("missing", ["abstain", "leave_out"])
@pytest.mark.parametrize("vetoes", [{}, {"scores.c": 0.5}, {"scores.a": -1.0, "scores.c": 0.0}])
def test_weighted_sums(missing, vetoes):
    table, weights = scored(), {"scores.a": 2.0, "scores.b": -0.5}
    made, counts = run(Combine(weights, vetoes, missing, "x"), table)
    expected, wanted = Counter(vetoed=0), []
    for row in table.to_pylist():
        parts = {name: row[name] for name in weights if not np.isnan(row[name])}
        needed = {*weights, *vetoes}
        if any(row[name] < least for name, least in vetoes.items()):
            expected["vetoed"] += 1
            wanted.append(np.nan)
        elif not parts or (missing == "abstain" and any(np.isnan(row[name]) for name in needed)):
            expected["abstained"] += 1
            wanted.append(np.nan)
        else:
            total = sum(weights[name] * value for name, value in parts.items())
            wanted.append(total * 2.5 / sum(abs(weights[name]) for name in parts))
    np.testing.assert_allclose(made["scores.x"].to_numpy(), wanted, rtol=1e-12)
    assert {name: counts[name] for name in expected} == expected


def test_a_part_of_weight_zero_alone_is_no_sum():
    table = candidates(["x"], **{"scores.a": [float("nan")], "scores.b": [1.0]})
    made, counts = run(Combine({"scores.a": 1.0, "scores.b": 0.0}, missing="leave_out"), table)
    assert np.isnan(made["scores.combined"].to_pylist()).all()
    assert counts["abstained"] == 1


def test_the_first_score_that_is_there():
    table = scored()
    made, counts = run(Fallback(list(NAMES)), table)
    wanted = [next((row[name] for name in NAMES if not np.isnan(row[name])), np.nan) for row in table.to_pylist()]
    np.testing.assert_array_equal(made["scores.first"].to_numpy(), wanted)
    assert counts["abstained"] == np.isnan(wanted).sum() > 0
    assert counts["fell_back"] == np.isnan(table["scores.a"].to_numpy()).sum() - counts["abstained"]


def test_scores_relative_to_their_group():
    table = random_candidates(seed=14)
    made, _ = run(Standardise(), table)
    for rows in grouped(made).values():
        there = [row["scores.reward"] for row in rows if not np.isnan(row["scores.reward"])]
        mean = sum(there) / max(len(there), 1)
        spread = (sum((value - mean) ** 2 for value in there) / max(len(there), 1)) ** 0.5
        for row in rows:
            wanted = (row["scores.reward"] - mean) / spread if len(set(there)) > 1 else 0.0 * row["scores.reward"]
            np.testing.assert_allclose(row["scores.standard"], wanted, atol=1e-12)


@pytest.mark.parametrize("values", [[0.1] * 3, [1e-200, 2e-200], [5e-324, 0.0], [1e150, -1e150]])
def test_hard_scores_stay_finite(values):
    made, _ = run(Standardise(), candidates(["x"] * len(values), **{"scores.reward": values}))
    assert np.isfinite(made["scores.standard"].to_numpy()).all()
    assert len(set(values)) > 1 or set(made["scores.standard"].to_pylist()) == {0.0}


def test_the_order_of_groups_does_not_matter():
    check_order_of_groups(Standardise(), random_candidates())


def test_bad_input_is_refused():
    with pytest.raises(PipelineError, match=r"Combine has the weights \{\}. Give a score a weight other than 0"):
        Combine({})
    with pytest.raises(PipelineError, match=r"Combine\(missing\) is 'zero'. Give one of: abstain, leave_out"):
        Combine({"scores.a": 1.0}, missing="zero")
    with pytest.raises(PipelineError, match="Fallback has no columns"):
        Fallback([])
    with pytest.raises(DataError, match="'scores.a' is infinite in 1 of 1 rows"):
        run(Combine({"scores.a": 1.0}), candidates(["x"], **{"scores.a": [np.inf]}))
