from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops.language.builders.accepted import Accept, TopCandidates
from lit_iterative.ops.language.testing import candidates
from tests.ops.language.tables import check_order_of_groups, grouped, random_candidates, run

SCORE = "scores.reward"


def hinted(seed=0):
    table = random_candidates(seed)
    return write(table, hinted=np.random.default_rng(seed).random(table.num_rows) < 0.6)


def oracle(rows, threshold, distinct, hint, truncated, expected):
    """The rows of a group that pass, best first."""
    good = []
    for row in rows:
        if np.isnan(row[SCORE]) or (truncated == "drop" and row["finish"] == "length"):
            continue
        if row[SCORE] < threshold:
            expected["below_threshold"] += 1
            continue
        good.append(row)
    if hint and any(not row["hinted"] for row in good):
        expected["unneeded_hints"] += sum(row["hinted"] for row in good)
        good = [row for row in good if not row["hinted"]]
    if distinct:
        best = {}
        for row in good:
            ids = tuple(row["completion_ids"])
            best[ids] = max(best.get(ids, -np.inf), row[SCORE])
        expected["duplicates"] += len(good) - len(best)
        return sorted(best.items(), key=lambda item: -item[1])
    return sorted([(tuple(row["completion_ids"]), row[SCORE]) for row in good], key=lambda item: -item[1])


@pytest.mark.parametrize("truncated", ["drop", "keep"])
@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("hint", [None, "hinted"])
@pytest.mark.parametrize("at_most", [None, 2])
def test_accepted_rows(truncated, distinct, hint, at_most):
    table = hinted(seed=9)
    made, counts = run(Accept(SCORE, 0.5, at_most, distinct, hint, True, truncated), table)
    found, expected = grouped(made), Counter()
    for name, everything in grouped(table).items():
        rows, good = found.get(name, []), oracle(everything, 0.5, distinct, hint, truncated, expected)
        size = len(good) if at_most is None else min(at_most, len(good))
        expected["over_limit"] += len(good) - size
        expected["groups_without_sample"] += not rows
        expected["accepted"] += len(rows)
        assert sorted((row[SCORE] for row in rows), reverse=True) == [value for _, value in good[:size]]
        assert {(tuple(row["completion_ids"]), row[SCORE]) for row in rows} <= set(good)
        assert [row["candidate"] for row in rows] == sorted({row["candidate"] for row in rows})
        assert [row["weight"] for row in rows] == [np.float32(row[SCORE]) for row in rows]
    assert made.num_rows > 10
    assert {name: counts[name] for name in expected} == expected
    assert counts["yield"] == pytest.approx(len(found) / len(grouped(table)))
    assert counts["accepted_length"] == pytest.approx(np.mean([len(ids) for ids in made["completion_ids"].to_pylist()]))
    assert counts["accepted_score"] == pytest.approx(np.mean(made[SCORE].to_pylist()))
    assert "finish" not in made.column_names


@pytest.mark.parametrize("truncated", ["drop", "keep"])
@pytest.mark.parametrize("k", [1, 3])
def test_best_rows(truncated, k):
    table = random_candidates(seed=10)
    made, counts = run(TopCandidates(k, SCORE, truncated=truncated), table)
    found, expected = grouped(made), Counter()
    for name, everything in grouped(table).items():
        rows, good = found.get(name, []), oracle(everything, -np.inf, True, None, truncated, expected)
        expected["over_limit"] += max(0, len(good) - k)
        assert sorted((row[SCORE] for row in rows), reverse=True) == [value for _, value in good[:k]]
        assert len({tuple(row["completion_ids"]) for row in rows}) == len(rows)
    assert {name: counts[name] for name in expected} == expected
    assert set(made["weight"].to_pylist()) == {1.0}


def test_star_rationalises_only_what_was_not_solved():
    table = candidates(
        ["solved", "hinted", "wrong", "hinted"],
        [1, 1, 2, 2],
        **{"scores.correct": [1, 1, 0, 1]},
        hinted=[False, True] * 2,
    )
    made, counts = run(Accept(hinted="hinted"), table)
    assert made.select(["id", "text"]).to_pylist() == [{"id": 1, "text": "solved"}, {"id": 2, "text": "hinted"}]
    assert counts["unneeded_hints"] == 1


def test_equals_have_equal_chances():
    groups = 600
    table = candidates(list("ab") * groups, [row // 2 for row in range(2 * groups)], **{SCORE: [1] * 2 * groups})
    for op in (Accept(SCORE, at_most=1), TopCandidates()):
        made, _ = run(op, table)
        assert abs(made["text"].to_pylist().count("a") / groups - 0.5) < 4 * 0.5 / groups**0.5
        assert not made.equals(run(op, table, round=1)[0])


@pytest.mark.parametrize("op", [Accept(SCORE, at_most=2), TopCandidates(2)])
def test_the_order_of_groups_does_not_matter(op):
    check_order_of_groups(op, random_candidates(strings=True))


def test_existing_weights_stay_a_factor():
    table = write(candidates(["a"], **{SCORE: [0.5]}), weight=np.array([3.0]))
    assert run(TopCandidates(), table)[0]["weight"].to_pylist() == [3.0]
    assert run(TopCandidates(weigh=True), table)[0]["weight"].to_pylist() == [1.5]


def test_bad_input_is_refused():
    with pytest.raises(PipelineError, match=r"Accept\(at_most\) is 0"):
        Accept(at_most=0)
    with pytest.raises(PipelineError, match=r"TopCandidates\(k\) is 0"):
        TopCandidates(0)
    with pytest.raises(PipelineError, match=r"Accept\(truncated\) is 'reject'. Give one of: drop, keep"):
        Accept(truncated="reject")
    with pytest.raises(DataError, match="'hinted' has type int64, but it says whether a hint helped"):
        run(Accept(SCORE, hinted="hinted"), write(candidates(["a"], **{SCORE: [1]}), hinted=pa.array([1])))
