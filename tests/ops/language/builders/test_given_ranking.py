import math

import numpy as np
import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.ops.language.builders.given_ranking import GivenRanking
from tests.ops.language.builders.test_own_or_given import with_given
from tests.ops.language.tables import check_order_of_groups, grouped, run, usable

SCORE = "scores.reward"


@pytest.mark.parametrize("truncated", ["drop", "reject"])
@pytest.mark.parametrize(("share", "rejected"), [(0.5, 2), (1.0, 3), (0.3, 1)])
def test_the_given_one_stands_in_front_of_the_lowest(share, rejected, truncated):
    table = with_given(5)
    made, counts = run(GivenRanking(score=SCORE, share=share, rejected=rejected, truncated=truncated), table)
    found, none = grouped(made), 0
    for name, everything in grouped(table).items():
        rows = usable(everything, truncated)
        if not rows or rows[0]["gold"] is None:
            assert name not in found
            none += bool(rows)
            continue
        (row,) = found[name]
        allowed = math.ceil(share * len(rows))
        bound = sorted(one[SCORE] for one in rows)[allowed - 1]
        assert (row["ranked"][0], row["ranked_ids"][0]) == (rows[0]["gold"], rows[0]["gold_ids"])
        assert math.isnan(row["ranked_scores"][0])
        worse = row["ranked_scores"][1:]
        assert len(worse) == min(rejected, allowed)
        assert worse == sorted(worse, reverse=True)
        assert max(worse) <= bound
        known = {(tuple(one["completion_ids"]), one["text"], one[SCORE]) for one in rows}
        behind = zip(map(tuple, row["ranked_ids"][1:]), row["ranked"][1:], worse, strict=True)
        assert set(behind) <= known
    assert counts["not_given"] == none > 0
    assert counts["rankings"] == made.num_rows > 10


def test_who_is_rejected_is_drawn_anew_in_every_round():
    op, table = GivenRanking(score=SCORE, share=1.0, rejected=1), with_given(1)
    first, second = (run(op, table, round=round)[0]["ranked"].to_pylist() for round in (0, 1))
    assert np.mean([a != b for a, b in zip(first, second, strict=True)]) > 0.2


def test_the_order_of_groups_does_not_matter():
    check_order_of_groups(GivenRanking(score=SCORE), with_given())


def test_bad_input_is_refused():
    with pytest.raises(PipelineError, match=r"GivenRanking\(share\) is 0"):
        GivenRanking(share=0.0)
    with pytest.raises(PipelineError, match=r"GivenRanking\(rejected\) is 0"):
        GivenRanking(rejected=0)
