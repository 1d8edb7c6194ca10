from collections import Counter

import numpy as np
import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.ops.language.builders.unpaired import Unpaired
from tests.ops.language.tables import check_order_of_groups, grouped, may_win, random_candidates, run, usable

SCORE = "scores.reward"


@pytest.mark.parametrize("truncated", ["drop", "reject", "keep"])
@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_both_kinds(truncated, balanced, margin):
    table = random_candidates(seed=11)
    made, counts = run(Unpaired(SCORE, 0.75, margin, balanced, weigh=True, truncated=truncated), table)
    found, expected = grouped(made), Counter(unbalanced=0) if balanced else Counter()
    for name, everything in grouped(table).items():
        rows, able = found.get(name, []), usable(everything, truncated)
        good = [row for row in able if row[SCORE] >= 0.75 and may_win(row, truncated)]
        bad = [row for row in able if row[SCORE] < 0.75 - margin]
        expected["ties"] += sum(0.75 - margin <= row[SCORE] < 0.75 for row in able)
        sizes = [len(good), len(bad)]
        if balanced:
            expected["unbalanced"] += sum(sizes) - 2 * min(sizes)
            sizes = [min(sizes)] * 2
        kinds = [[row for row in rows if row["desirable"] is kind] for kind in (True, False)]
        assert list(map(len, kinds)) == sizes
        for mine, allowed in zip(kinds, (good, bad), strict=True):
            assert {row["candidate"] for row in mine} <= {row["candidate"] for row in allowed}
        assert [row["weight"] for row in rows] == [np.float32(abs(row[SCORE] - 0.75)) for row in rows]
        expected["groups_without_sample"] += not rows
        expected["desirable"] += sizes[0]
        expected["undesirable"] += sizes[1]
    assert made.num_rows > 10
    assert {name: counts[name] for name in expected} == expected
    assert counts["yield"] == pytest.approx(len(found) / len(grouped(table)))
    assert counts["desirable_score"] >= 0.75 > counts["undesirable_score"]
    assert "finish" not in made.column_names


def test_equal_completions_count_as_often_as_one_likes():
    table = random_candidates(seed=12)
    rows = [row for row in table.to_pylist() if not np.isnan(row[SCORE])]
    made, counts = run(Unpaired(SCORE, distinct=False, truncated="keep"), table)
    assert made.num_rows == len(rows)
    assert made["desirable"].to_pylist() == [row[SCORE] >= 0.5 for row in rows]
    assert set(made["weight"].to_pylist()) == {1.0}
    assert counts["duplicates"] == 0


def test_the_order_of_groups_does_not_matter():
    check_order_of_groups(Unpaired(SCORE, balanced=True), random_candidates())


def test_bad_parameters_are_refused():
    with pytest.raises(PipelineError, match=r"Unpaired\(margin\) is -1"):
        Unpaired(margin=-1)
    with pytest.raises(PipelineError, match=r"Unpaired\(truncated\) is 'mask'"):
        Unpaired(truncated="mask")
