"""JudgePairs: both orders, turned pairs, ties and abstentions."""

import math

import pyarrow as pa
import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.judging.rubric import Additive
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.judge_pairs import JudgePairs
from lit_iterative.pool import Pool
from tests.ops.language.judging import Told, Whim


def pairs(rows=24, prefix=""):
    """Return pairs; the first letter of every text is its worth."""
    chosen, rejected = (
        [f"{prefix}{7 * row % 10}c{row}" for row in range(rows)],
        [f"{prefix}5r{row}" for row in range(rows)],
    )
    return pa.table(
        {
            "id": [row * 7 % 101 for row in range(rows)],
            "prompt": [f"p{row}" for row in range(rows)],
            "chosen": chosen,
            "rejected": rejected,
            "chosen_ids": pa.array([[row, 1] for row in range(rows)], pa.list_(pa.int32())),
            "rejected_ids": pa.array([[row, 0, 0] for row in range(rows)], pa.list_(pa.int32())),
            "chosen_score": [float(row) for row in range(rows)],
            "rejected_score": [-float(row) for row in range(rows)],
        }
    )


def judged(op, table):
    context = Context(Pool([0] * table.num_rows, 1))
    return op(table, context), context.tally.values()


def worth(texts, seed):
    """Prefer the larger first letter."""
    first, second = texts[1][0], texts[2][0]
    return f"Verdict: {'A' if first > second else 'B' if first < second else 'tie'}"


def test_pairs_are_confirmed_turned_or_dropped():
    before = pairs(10)
    made, counts = judged(JudgePairs(Told(worth)), before)
    given = {row["id"]: row for row in before.to_pylist()}
    assert made.num_rows == 9  # one has the worth 5 itself
    for row in made.to_pylist():
        old = given[row["id"]]
        turned = old["chosen"] < old["rejected"]
        for end in ("", "_ids", "_score"):
            sides = (old[f"chosen{end}"], old[f"rejected{end}"])
            assert (row[f"chosen{end}"], row[f"rejected{end}"]) == (sides[::-1] if turned else sides)
        assert row["preference"] == 1.0
    assert counts["pairs_turned"] == sum(row["chosen"][0] < "5" for row in given.values())
    assert (counts["judge_ties"], counts["judge_abstains"], counts["order_contradictions"]) == (1, 0, 0)
    assert counts["judgements"] == 20
    assert counts["first_place_wins"] == 0.5


def test_masks_and_references_change_sides_too():
    table = (
        pairs(1, prefix="").append_column("chosen_mask", [[[1.0, 0.5]]]).append_column("rejected_mask", [[[1.0, 0, 0]]])
    )
    made, _ = judged(
        JudgePairs(Told(lambda texts, seed: "Verdict: B" if texts[1].startswith("0") else "Verdict: A")), table
    )
    assert made.select(["chosen", "chosen_mask", "rejected_mask"]).to_pylist() == [
        {"chosen": "5r0", "chosen_mask": [1.0, 0, 0], "rejected_mask": [1.0, 0.5]}
    ]


def test_pairs_judged_the_other_way_may_be_dropped():
    made, counts = judged(JudgePairs(Told(worth), turn=False), pairs(10))
    assert [text[0] for text in made["chosen"].to_pylist()] == ["7", "8", "9", "6"]
    assert counts["pairs_opposed"] == 5


@pytest.mark.parametrize("place", ["A", "B"])
def test_a_judge_that_favours_a_place_finds_only_ties(place):
    made, counts = judged(JudgePairs(Told(lambda texts, seed: f"Verdict: {place}")), pairs(6))
    assert made.num_rows == 0
    assert (counts["judge_ties"], counts["order_contradictions"]) == (6, 6)
    assert counts["first_place_wins"] == (place == "A")


def test_one_order_without_verdict_is_an_abstention():
    def half(texts, seed):
        return "Verdict: A" if "c" in texts[1] else "no"

    made, counts = judged(JudgePairs(Told(half)), pairs(6))
    assert made.num_rows == 0
    assert (counts["judge_abstains"], counts["judge_ties"], counts["parse_failures"]) == (6, 0, 6)
    made, _ = judged(JudgePairs(Told(half), keep_unjudged=True), pairs(6))
    assert made.drop_columns("preference") == pairs(6)
    assert all(math.isnan(value) for value in made["preference"].to_pylist())


def test_near_ties_are_ties():
    def mostly(texts, seed):
        """Three of four judgements prefer the chosen side."""
        chosen_first = "c" in texts[1]
        return f"Verdict: {'AB'[chosen_first is (seed % 4 == 0)]}"

    loose, _ = judged(JudgePairs(Told(mostly), judgements=8), pairs(8))
    strict, counts = judged(JudgePairs(Told(mostly), judgements=8, tie=0.49), pairs(8))
    assert strict.num_rows < loose.num_rows
    assert counts["judge_ties"] == 8 - strict.num_rows
    assert all(abs(value - 0.5) > 0.49 for value in strict["preference"].to_pylist())


@pytest.mark.parametrize("wrong", [{"rubric": Additive()}, {"tie": 0.6}, {"judgements": 0}])
def test_bad_parameters_are_refused(wrong):
    with pytest.raises(PipelineError, match="Give"):
        JudgePairs(Whim(), **wrong)
