"""Builders by score, against loops over every group. Which of equals is taken is drawn: the loops say who may be."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from lit_iterative.columns import write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Steps
from lit_iterative.ops.language.builders.pairs import AllPairs, BestRandom, BestWorst, RankedPairs
from lit_iterative.ops.language.testing import END, candidates
from tests.ops.language.tables import (
    check_order_of_groups,
    check_pairs,
    grouped,
    may_win,
    random_candidates,
    run,
    usable,
)

POLICIES = ["drop", "reject", "keep"]
OPS = [BestWorst(at_most=3), BestRandom(at_most=2), AllPairs(at_most=4), RankedPairs(at_most=2)]


def score(row):
    return row["scores.reward"]


def key(pair):
    return (tuple(pair["chosen_ids"]), tuple(pair["rejected_ids"]))


def ids(row):
    return tuple(row["completion_ids"])


def best_rows(rows, truncated):
    able = [row for row in rows if may_win(row, truncated)]
    top = max(map(score, able), default=None)
    return [row for row in able if score(row) == top]


@pytest.mark.parametrize("truncated", POLICIES)
@pytest.mark.parametrize(("margin", "min_score", "at_most"), [(0.0, None, 1), (0.3, 0.6, 1), (0.0, 0.5, 3)])
def test_best_against_worst(truncated, margin, min_score, at_most):
    table = random_candidates(seed=3)
    made, counts = run(BestWorst("scores.reward", margin, min_score, at_most, "gap", truncated), table)
    check_pairs(made, table)
    found, expected = grouped(made), Counter()
    for name, everything in grouped(table).items():
        rows, pairs = usable(everything, truncated), found.get(name, [])
        best = best_rows(rows, truncated)
        worst = [row for row in rows if score(row) == min(map(score, rows))]
        if best and min_score is not None and score(best[0]) < min_score:
            expected["below_min_score"] += 1
            best = []
        elif best and score(best[0]) - score(worst[0]) <= margin:
            expected["ties"] += len(rows) > 1
            best = []
        assert len(pairs) == min(at_most, len(best) * len(worst))
        assert set(map(key, pairs)) <= {(ids(left), ids(right)) for left in best for right in worst}
        assert len(set(map(key, pairs))) == len(pairs)
        for pair in pairs:
            assert pair["chosen_score"] == score(best[0])
            assert pair["rejected_score"] == score(worst[0])
            assert pair["weight"] == np.float32(score(best[0]) - score(worst[0]))
        expected["pairs"] += len(pairs)
        expected["groups_without_pair"] += not pairs
    assert made.num_rows > 10
    assert {name: counts[name] for name in expected} == expected
    assert counts["yield"] == pytest.approx(len(found) / len(grouped(table)))
    assert counts["chosen_length"] == pytest.approx(np.mean([len(pair["chosen_ids"]) for pair in made.to_pylist()]))
    assert counts["rejected_length"] == pytest.approx(np.mean([len(p["rejected_ids"]) for p in made.to_pylist()]))
    assert counts["score_gap"] == pytest.approx(
        np.mean([pair["chosen_score"] - pair["rejected_score"] for pair in made.to_pylist()])
    )


@pytest.mark.parametrize("truncated", POLICIES)
@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_best_against_any_worse(truncated, margin):
    table = random_candidates(seed=4)
    made, counts = run(BestRandom(margin=margin, at_most=2, truncated=truncated), table)
    check_pairs(made, table)
    found, ties = grouped(made), 0
    for name, everything in grouped(table).items():
        rows, pairs = usable(everything, truncated), found.get(name, [])
        best = best_rows(rows, truncated)
        others = [row for row in rows if best and score(best[0]) - score(row) > margin]
        ties += bool(best) and not others and len(rows) > 1
        assert len(pairs) == min(2, len(best) * len(others))
        assert set(map(key, pairs)) <= {(ids(left), ids(right)) for left in best for right in others}
        if len(others) > 1:
            assert len({pair["rejected"] for pair in pairs}) == 2 or len(pairs) < 2
    assert made.num_rows > 10
    assert counts["ties"] == ties


@pytest.mark.parametrize("truncated", POLICIES)
@pytest.mark.parametrize(("margin", "at_most"), [(0.0, None), (0.3, None), (0.0, 3)])
def test_all_pairs(truncated, margin, at_most):
    table = random_candidates(seed=5)
    made, counts = run(AllPairs(margin=margin, at_most=at_most, weigh="rank", truncated=truncated), table)
    check_pairs(made, table)
    found, ties = grouped(made), 0
    for name, everything in grouped(table).items():
        rows, pairs = usable(everything, truncated), found.get(name, [])
        levels = sorted(set(map(score, rows)))
        wanted = {}
        for left, right in combinations(rows, 2):
            better, worse = (left, right) if score(left) > score(right) else (right, left)
            if score(better) - score(worse) <= margin:
                ties += 1
            elif may_win(better, truncated):
                steps = levels.index(score(better)) - levels.index(score(worse))
                wanted[ids(better), ids(worse)] = steps / (len(levels) - 1)
        assert len(pairs) == len(set(map(key, pairs))) == min(len(wanted), at_most or len(wanted))
        for pair in pairs:
            assert pair["weight"] == np.float32(wanted[key(pair)])
    assert counts["ties"] == ties


@pytest.mark.parametrize("truncated", POLICIES)
@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_neighbours_in_the_ranking(truncated, margin):
    table = random_candidates(seed=6)
    made, counts = run(RankedPairs(margin=margin, at_most=2, truncated=truncated), table)
    check_pairs(made, table)
    found, ties = grouped(made), 0
    for name, everything in grouped(table).items():
        rows, pairs, wanted, allowed = usable(everything, truncated), found.get(name, []), 0, set()
        levels = sorted(set(map(score, rows)), reverse=True)
        for place in range(len(levels) - 1):
            better = [row for row in rows if score(row) == levels[place] and may_win(row, truncated)]
            worse = [row for row in rows if score(row) == levels[place + 1]]
            if levels[place] - levels[place + 1] <= margin:
                ties += 1
                continue
            wanted += min(2, len(better) * len(worse))
            allowed |= {(ids(left), ids(right)) for left in better for right in worse}
        assert len(pairs) == len(set(map(key, pairs))) == wanted
        assert set(map(key, pairs)) <= allowed
    assert made.num_rows > 10
    assert counts["ties"] == ties


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("strings", [False, True])
def test_the_order_of_groups_does_not_matter(op, strings):
    check_order_of_groups(op, random_candidates(strings=strings))


@pytest.mark.parametrize("op", OPS)
def test_rounds_and_seeds_draw_anew(op):
    table = random_candidates()
    first = run(op, table)[0]
    assert first.equals(run(op, table)[0])
    assert not first.equals(run(op, table, round=1)[0])
    assert not first.equals(run(op, table, seed=1)[0])


def test_equals_have_equal_chances():
    groups = 600
    table = candidates(
        list("abcd") * groups,
        [row // 4 for row in range(4 * groups)],
        **{"scores.reward": [1, 1, 0, 0] * groups},
    )
    made, _ = run(BestWorst(), table)
    for side, texts in (("chosen", "ab"), ("rejected", "cd")):
        share = made[side].to_pylist().count(texts[0]) / groups
        assert abs(share - 0.5) < 4 * 0.5 / groups**0.5  # four standard deviations


def test_scpo():
    """Prasad et al., 2024: most over least voted if the share is at least tau, w = (votes_w - votes_l) / k."""
    votes = {"7": 4, "8": 3, "9": 1}
    text = [answer for answer, number in votes.items() for _ in range(number)]
    table = candidates(
        [f"{number}={answer}" for number, answer in enumerate(text)], **{"scores.vote": [votes[a] / 8 for a in text]}
    )
    made, _ = run(BestWorst("scores.vote", min_score=0.5, weigh="gap"), table)
    (pair,) = made.to_pylist()
    assert pair["chosen"].endswith("=7")
    assert pair["rejected"] == "7=9"
    assert pair["weight"] == np.float32((4 - 1) / 8)
    empty, counts = run(BestWorst("scores.vote", min_score=0.6, weigh="gap"), table)
    assert empty.num_rows == 0
    assert counts["below_min_score"] == counts["groups_without_pair"] == 1


def test_cut_completions_lose_but_do_not_win():
    table = candidates(["a~", "b", "c~"], **{"scores.reward": [2, 1, 0]})
    wins = {name: run(BestWorst(truncated=name), table)[0].to_pylist() for name in POLICIES}
    assert wins["drop"] == []
    assert [(pair["chosen"], pair["rejected"]) for pair in wins["reject"]] == [("b", "c")]
    assert [(pair["chosen"], pair["rejected"]) for pair in wins["keep"]] == [("a", "c")]
    assert END not in wins["keep"][0]["chosen_ids"] + wins["keep"][0]["rejected_ids"]
    assert END in wins["reject"][0]["chosen_ids"]


def test_equal_completions_never_make_a_pair():
    table = candidates(["a", "a", "a"], **{"scores.reward": [0, 1, 2]})
    for op in OPS:
        made, counts = run(op, table)
        assert made.num_rows == 0
        assert counts["duplicates"] == 2
        assert counts["ties"] == 0
        assert counts["groups_without_pair"] == 1


def test_other_columns_are_those_of_the_chosen():
    table = write(candidates(["a", "b"], **{"scores.reward": [0, 1]}), final=["x", "y"], weight=np.array([2.0, 3.0]))
    made, _ = run(BestWorst(weigh="gap"), table)
    assert made["final"].to_pylist() == ["y"]
    assert made["weight"].to_pylist() == [3.0]
    assert made["scores.reward"].to_pylist() == [1.0]


def test_parameters_follow_schedules():
    op, table = BestWorst(margin=Steps([0.0, 2.0])), candidates(["a", "b"], **{"scores.reward": [0, 1]})
    assert [run(op, table, round=round)[0].num_rows for round in (0, 1)] == [1, 0]


def test_bad_parameters_are_refused():
    with pytest.raises(PipelineError, match=r"BestWorst\(margin\) is -1"):
        BestWorst(margin=-1)
    with pytest.raises(PipelineError, match=r"RankedPairs\(at_most\) is 0"):
        RankedPairs(at_most=0)
    with pytest.raises(PipelineError, match=r"AllPairs\(weigh\) is 'votes'. Give one of: none, gap, rank"):
        AllPairs(weigh="votes")
    with pytest.raises(PipelineError, match=r"BestRandom\(truncated\) is 'mask'. Give one of: drop, reject, keep"):
        BestRandom(truncated="mask")


def test_groups_that_stand_apart_are_refused():
    table = candidates(["a", "b", "c"], [1, 2, 1], **{"scores.reward": [0, 1, 2]})
    with pytest.raises(DataError, match="stand apart"):
        run(BestWorst(), table)
