from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops import Context
from lit_iterative.ops.language.builders.given_pairs import GoldOwn, PastFuture
from lit_iterative.ops.language.testing import candidates, completed
from lit_iterative.ops.language.tokens import int_lists
from lit_iterative.testing.fixtures import Past
from tests.ops.language.tables import POOL, check_order_of_groups, grouped, random_candidates, run, usable

GOLD = ["a", "ab", "b", None]


def with_gold(seed=0):
    """The same gold completion for all of a group; every fourth group has none."""
    table = random_candidates(seed)
    order = list(dict.fromkeys(table["group"].to_pylist()))
    gold = [GOLD[order.index(name) % 4] for name in table["group"].to_pylist()]
    ids = pa.array([text and completed(text) for text in gold], pa.list_(pa.int64()))
    return write(table, gold=pa.array(gold), gold_ids=ids)


def before(table, side="chosen", skip=3):
    """What a round might have kept: two rows of most prompts, of which the first counts."""
    names = [name for place, name in enumerate(grouped(table)) if place % skip]
    text = ["aa"] * len(names) + ["zz"] * len(names)
    column = "completion_ids" if side == "text" else f"{side}_ids"
    return Past(0, pa.table({"id": names * 2, side: text, column: int_lists(map(completed, text)), "other": text}))


@pytest.mark.parametrize("truncated", ["drop", "reject"])
@pytest.mark.parametrize("at_most", [1, 3])
def test_gold_over_own(truncated, at_most):
    table = with_gold()
    made, counts = run(GoldOwn(at_most=at_most, truncated=truncated), table)
    found, expected = grouped(made), Counter()
    for name, everything in grouped(table).items():
        for row in everything:
            row["scores.reward"] = 0.0  # no score is asked
        rows, pairs = usable(everything, truncated), found.get(name, [])
        gold = everything[0]["gold_ids"]
        own = [row["completion_ids"] for row in rows if gold is not None and row["completion_ids"] != gold]
        expected["ties"] += gold is not None and len(rows) - len(own)
        expected["not_given"] += gold is None and len(rows) > 0
        assert len(pairs) == min(at_most, len(own))
        assert len({tuple(pair["rejected_ids"]) for pair in pairs}) == len(pairs)
        for pair in pairs:
            assert pair["chosen_ids"] == gold
            assert pair["chosen"] == everything[0]["gold"]
            assert pair["rejected_ids"] in own
    assert made.num_rows > 10
    assert {name: counts[name] for name in expected} == expected
    assert min(expected.values()) > 0
    assert made.schema.field("chosen_ids").type == pa.list_(pa.int32())
    assert set(made["chosen_score"].to_pylist()) == {1.0}
    assert set(made["rejected_score"].to_pylist()) == {0.0}


def test_gold_has_any_name_and_may_be_missing_altogether():
    table = write(candidates(["5"]), answer=["4"], answer_ids=int_lists([completed("4")]))
    assert run(GoldOwn("answer"), table)[0]["chosen"].to_pylist() == ["4"]
    none = write(candidates(["5"]), gold=pa.nulls(1), gold_ids=pa.nulls(1))
    made, counts = run(GoldOwn(), none)
    assert made.num_rows == 0
    assert counts["not_given"] == 1


@pytest.mark.parametrize("truncated", ["drop", "keep"])
@pytest.mark.parametrize("score", [None, "scores.reward"])
@pytest.mark.parametrize("side", ["chosen", "rejected", "text"])
def test_now_over_before(truncated, score, side):
    table = random_candidates(seed=8)
    made, counts = run(PastFuture(side, score, truncated=truncated), table, previous=before(table, side))
    found, old, expected = grouped(made), completed("aa"), Counter()
    for place, (name, everything) in enumerate(grouped(table).items()):
        for row in everything:
            row["scores.reward"] = row["scores.reward"] if score else 0.0
        rows, pairs = usable(everything, truncated), found.get(name, [])
        fit = [row for row in rows if place % 3 and row["completion_ids"] != old]
        expected["not_given"] += len(rows) > 0 and place % 3 == 0
        expected["ties"] += place % 3 and len(rows) - len(fit)
        assert len(pairs) == min(1, len(fit))
        for pair in pairs:
            top = max(row["scores.reward"] for row in fit)
            assert pair["chosen_ids"] in [row["completion_ids"] for row in fit if row["scores.reward"] == top]
            assert (pair["rejected"], pair["rejected_ids"]) == ("aa", old)
    assert made.num_rows > 10
    assert {name: counts[name] for name in expected} == expected
    assert min(expected.values()) > 0


def test_the_first_round_has_no_past():
    made, counts = run(PastFuture(), random_candidates())
    assert made.num_rows == 0
    assert made.schema == run(PastFuture(), random_candidates(), previous=before(random_candidates()))[0].schema
    assert counts["yield"] == 0.0


class Reads(Past):
    reads = 0

    def table(self, columns=None):
        Reads.reads += 1
        return super().table(columns)


def test_shards_read_the_past_once_and_give_the_same():
    table = random_candidates()
    past = before(table)
    whole, _ = run(PastFuture(), table, previous=past)
    heads = [start for start, row in enumerate(table.to_pylist()) if row["candidate"] == 0]
    cuts = [0, heads[5], heads[5], heads[20], table.num_rows]
    shards = [table.slice(start, end - start) for start, end in pairwise(cuts)]
    parts = list(PastFuture().map(shards, Context(POOL, previous=Reads(0, past.rows))))
    assert Reads.reads == 1
    assert repr(pa.concat_tables(parts).to_pylist()) == repr(whole.to_pylist())  # NaN is not equal to itself


def test_the_order_of_groups_does_not_matter():
    check_order_of_groups(GoldOwn(at_most=2), with_gold())


def test_a_past_of_another_kind_is_refused():
    table = random_candidates()
    with pytest.raises(DataError, match=r"reads \['chosen', 'chosen_ids'\] of round 0.*past='text' after accepted"):
        run(PastFuture(), table, previous=before(table, "text"))


def test_bad_parameters_are_refused():
    with pytest.raises(PipelineError, match=r"GoldOwn\(truncated\) is 'keep'. Give one of: drop, reject"):
        GoldOwn(truncated="keep")
    with pytest.raises(PipelineError, match=r"PastFuture\(past\) is 'gold'"):
        PastFuture("gold")
    with pytest.raises(PipelineError, match=r"PastFuture\(at_most\) is 0"):
        PastFuture(at_most=0)
    with pytest.raises(DataError, match="'gold_ids' has type string, but token ids are lists"):
        run(GoldOwn(), write(candidates(["a"]), gold=["b"], gold_ids=["b"]))


def test_existing_weights_stay():
    table = write(with_gold(), weight=np.full(with_gold().num_rows, 0.5))
    assert set(run(GoldOwn(), table)[0]["weight"].to_pylist()) == {0.5}
