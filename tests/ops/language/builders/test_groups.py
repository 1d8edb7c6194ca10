import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.errors import DataError
from lit_iterative.ops import Context
from lit_iterative.ops.language.builders.groups import groups_of, scores_of, weighted
from lit_iterative.ops.language.testing import candidates
from lit_iterative.ops.language.tokens import keys_of
from tests.ops.language.tables import POOL, grouped, may_win, random_candidates, usable


def groups(table, truncated="keep", seed=0, round=0, stream="x"):
    context = Context(POOL, seed=seed, round=round)
    keys = keys_of(table, "completion_ids")
    found = list(groups_of(table, context, stream, scores_of(table, "scores.reward"), truncated, keys))
    return found, context.tally.values()


@pytest.mark.parametrize("truncated", ["drop", "reject", "keep"])
def test_groups_hold_what_may_be_used(truncated):
    table = random_candidates()
    found, counts = groups(table, truncated)
    everything = table.to_pylist()
    assert len(found) == len(grouped(table))
    for group, rows in zip(found, grouped(table).values(), strict=True):
        mine = [everything[row] for row in group.rows]
        assert sorted(row["candidate"] for row in mine) == [row["candidate"] for row in usable(rows, truncated)]
        assert [row["scores.reward"] for row in mine] == group.score.tolist()
        assert [may_win(row, truncated) for row in mine] == group.complete.tolist()
        assert [group.score[level].tolist() for level in group.levels()] == [
            [value] * group.score.tolist().count(value) for value in sorted(set(group.score), reverse=True)
        ]
    scored = [row for row in everything if not np.isnan(row["scores.reward"])]
    left = sum(len(group.rows) for group in found)
    dropped = sum(truncated == "drop" and row["finish"] == "length" for row in scored)
    assert counts["abstained"] == len(everything) - len(scored)
    assert counts["truncated"] == sum(row["finish"] == "length" for row in everything)
    assert counts["duplicates"] == len(scored) - dropped - left
    assert min(counts.values()) > 0


def test_the_order_is_drawn_for_every_group_round_seed_and_op():
    table = candidates(list("abcdefgh") * 30, [row // 8 for row in range(240)], **{"scores.reward": [0] * 240})
    orders = [tuple(group.rows - group.rows.min()) for group in groups(table)[0]]
    assert len(set(orders)) == 30
    assert orders == [tuple(group.rows - group.rows.min()) for group in groups(table)[0]]
    for other in ({"seed": 1}, {"round": 1}, {"stream": "y"}):
        assert all(
            tuple(group.rows - group.rows.min()) != order
            for group, order in zip(groups(table, **other)[0], orders, strict=True)
        )


def test_scores_are_numbers():
    with pytest.raises(DataError, match="'scores.x' is infinite in 1 of 2 rows.*NaN where the scorer abstains"):
        scores_of(pa.table({"scores.x": [1.0, -np.inf]}), "scores.x")
    with pytest.raises(DataError, match="but a score is one number a row"):
        scores_of(pa.table({"scores.x": ["high"]}), "scores.x")
    assert scores_of(pa.table({"scores.x": [True, False]}), "scores.x").tolist() == [1.0, 0.0]


def test_weights_multiply():
    assert weighted(pa.table({"id": [1]}), np.array([0.5])).to_pylist() == [{"id": 1, "weight": 0.5}]
    assert weighted(pa.table({"weight": [3.0]}), np.array([0.5])).to_pylist() == [{"weight": 1.5}]
