from itertools import pairwise

import pytest

from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Constant, Quantile, Steps, Where
from lit_iterative.ops.language import Accept, BestWorst, Branches, GoldOwn, Length, TopCandidates
from lit_iterative.ops.language.testing import candidates
from tests.ops.language.tables import check_order_of_groups, completions_with_all, grouped, run

SCORE = "scores.correct"
OWN, GOLD = [BestWorst(SCORE), Constant("kind", "own")], [GoldOwn(), Constant("kind", "gold")]


def test_rows_of_all_branches_stand_input_by_input():
    table = completions_with_all()
    made, _ = run(Branches([OWN, GOLD]), table)
    alone = {}
    for ops in (OWN, GOLD):
        part = table
        for op in ops:
            part, _ = run(op, part)
        for name, rows in grouped(part).items():
            alone.setdefault(name, []).extend(rows)
    assert {
        name: [(row["chosen"], row["rejected"], row["kind"]) for row in rows] for name, rows in grouped(made).items()
    } == {name: [(row["chosen"], row["rejected"], row["kind"]) for row in rows] for name, rows in alone.items()}
    groups = made["group"].to_pylist()
    assert sum(a != b for a, b in pairwise(groups)) == len(set(groups)) - 1
    assert {"own", "gold"} == set(made["kind"].to_pylist())


def test_columns_that_not_all_leave_are_taken_away():
    op = Branches([[Length(), TopCandidates(score="scores.length")], [Accept(SCORE)]])
    assert op.requires == ("group", "completion_ids", "finish", SCORE)
    assert op.provides == ("weight",)
    assert op.consumes == ("finish",)
    made, _ = run(op, completions_with_all())
    assert not {"scores.length", "finish"} & set(made.column_names)


def test_schedules_inside_follow_the_round():
    table = completions_with_all()
    op = Branches([[Accept(SCORE, threshold=Steps([0.0, 2.0]))], [Accept(SCORE, threshold=2.0)]])
    assert run(op, table, round=0)[0].num_rows > 0
    assert run(op, table, round=1)[0].num_rows == 0


def test_the_order_of_groups_does_not_matter():
    check_order_of_groups(Branches([OWN, GOLD]), completions_with_all())


def test_bad_branches_are_refused():
    for bad in ([], [OWN], [OWN, []]):
        with pytest.raises(PipelineError, match="Give at least two, each with an op"):
            Branches(bad)
    with pytest.raises(PipelineError, match="Quantile needs the whole table"):
        Branches([OWN, [Quantile(0.5)]])
    with pytest.raises(DataError, match=r"different types in \['kind'\]"):
        run(Branches([[Constant("kind", 1.0)], [Constant("kind", "a")]]), candidates(["a"]))
    with pytest.raises(DataError, match="no column 'x'"):
        run(Branches([[Where("x", 1)], [Where("x", 2)]]), candidates(["a"]))
