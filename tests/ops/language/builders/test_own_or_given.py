import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import write
from lit_iterative.errors import PipelineError
from lit_iterative.ops.language.builders.own_or_given import OwnOrGiven
from lit_iterative.ops.language.testing import candidates
from tests.ops.language.tables import check_order_of_groups, grouped, random_candidates, run

SCORE = "scores.reward"


def with_given(seed=0):
    """Candidates of which every third prompt has no given completion."""
    table = random_candidates(seed)
    texts = [None if name % 3 == 0 else f"given {name}" for name in table["group"].to_pylist()]
    ids = [None if text is None else [*map(ord, text), 2] for text in texts]
    return write(table, gold=pa.array(texts), gold_ids=pa.array(ids, pa.list_(pa.int32())))


@pytest.mark.parametrize("truncated", ["drop", "keep"])
@pytest.mark.parametrize("threshold", [0.5, 1.0])
def test_the_given_one_stands_in_where_no_own_one_is_good_enough(threshold, truncated):
    table = with_given(3)
    made, counts = run(OwnOrGiven(score=SCORE, threshold=threshold, truncated=truncated), table)
    found, own, given, none = grouped(made), 0, 0, 0
    for name, rows in grouped(table).items():
        fit = [row for row in rows if not np.isnan(row[SCORE]) and (truncated == "keep" or row["finish"] == "stop")]
        best = max((row[SCORE] for row in fit), default=-1.0)
        if best >= threshold:
            (row,) = found[name]
            assert row["own"]
            assert row[SCORE] == best
            assert any(row["completion_ids"] == one["completion_ids"] and row["text"] == one["text"] for one in fit)
            own += 1
        elif rows[0]["gold"] is not None:
            (row,) = found[name]
            assert not row["own"]
            assert (row["text"], row["completion_ids"]) == (rows[0]["gold"], rows[0]["gold_ids"])
            given += 1
        else:
            assert name not in found
            none += 1
    assert (counts["own"], counts["given"], counts["groups_without_sample"]) == (own, given, none)
    assert min(own, given, none) > 2


def test_a_weight_stays_a_factor():
    given = {"gold": ["1", "1"], "gold_ids": pa.array([[49, 2]] * 2), "weight": [0.5, 0.5]}
    made, _ = run(OwnOrGiven(score=SCORE), candidates(["2", "3"], [0, 1], **given, **{SCORE: [1, 0]}))
    assert made["weight"].to_pylist() == [0.5, 0.5]
    assert made["text"].to_pylist() == ["2", "1"]


def test_the_order_of_groups_does_not_matter():
    check_order_of_groups(OwnOrGiven(score=SCORE), with_given())


def test_bad_input_is_refused():
    with pytest.raises(PipelineError, match=r"OwnOrGiven\(truncated\) is 'reject'"):
        OwnOrGiven(truncated="reject")
