import pytest

from lit_iterative.errors import StoreError
from lit_iterative.inspect.show import render_round, show_round
from lit_iterative.rounds.store import Store
from tests.inspect.stores import commit, rows, two_rounds


def test_the_funnel_adds_up(tmp_path):
    funnel = show_round(two_rounds(tmp_path), 0).funnel
    assert [(row.op, row.rows_in, row.rows_out, row.dropped) for row in funnel] == [
        ("Predict", 10, 10, 0),
        ("Threshold", 10, 3, 7),
    ]
    assert funnel[1].parameters == {"value": 0.9}


def test_rows_come_from_all_shards_but_no_more_than_needed(tmp_path):
    store = two_rounds(tmp_path)
    assert [row["id"] for row in show_round(store, 0, rows=9).sample] == [3, 5, 8]
    (tmp_path / "round-00000/data/00001.parquet").unlink()
    assert [row["id"] for row in show_round(store, 0, rows=2).sample] == [3, 5]
    with pytest.raises(StoreError, match=r"00001\.parquet is missing"):
        show_round(store, 0, rows=3)


def test_the_last_shard_that_is_read_gives_only_what_is_asked_for(tmp_path):
    store, table = Store(tmp_path), rows({1: 0, 2: 0, 3: 0, 4: 0})
    commit(store, [table.slice(0, 2), table.slice(2)])
    assert [row["id"] for row in show_round(store, rows=3).sample] == [1, 2, 3]


def test_a_truncated_shard_is_named(tmp_path):
    store = two_rounds(tmp_path)
    shard = tmp_path / "round-00001/data/00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(StoreError, match=r"00000\.parquet has \d+ bytes instead of \d+"):
        show_round(store, 1, rows=1)


def test_the_text_has_all_parts(tmp_path):
    shown = render_round(show_round(two_rounds(tmp_path), 1, rows=2))
    for part in ("Round 1 (committed)", "Funnel", "value=0.8", "weights1", "torch", "data/00000.parquet", "Policy@abc"):
        assert part in shown
    assert "70.0 %" not in shown
    assert "30.0 %" in shown


def test_an_empty_round_says_what_is_served(tmp_path):
    store = two_rounds(tmp_path)
    commit(store, [], serves=1)
    view = show_round(store, rows=1)
    assert (view.round, view.status, view.serves) == (2, "empty", 1)
    assert [row["id"] for row in view.sample] == [5]
    assert "those of round 1 are served" in render_round(view)
