import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.errors import StoreError
from lit_iterative.inspect.pick import fetch, pick
from lit_iterative.inspect.sample import render_sample
from lit_iterative.rounds.store import Store
from tests.inspect.stores import commit, two_rounds


def pairs(scores, text="better"):
    return pa.table(
        {
            "id": list(range(len(scores))),
            "prompt": ["1+1="] * len(scores),
            "chosen": [text] * len(scores),
            "rejected": ["worse"] * len(scores),
            "chosen_score": [score + 1.0 for score in scores],
            "rejected_score": pa.array([1.0] * len(scores)),
        }
    )


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    values = [0.5, float("nan"), 0.1, 0.9, 0.3]
    commit(store, [pairs(values).slice(0, 2), pairs(values).slice(2)])
    commit(store, [pairs([0.5, 0.2, 0.8, 0.9, 0.35])])
    return store


def ids(picked):
    return [row.row["id"] for row in picked]


def test_best_and_worst_are_ordered_by_the_margin(store):
    assert ids(pick(store, store.open(0), "best", 2)) == [3, 0]
    assert ids(pick(store, store.open(0), "worst", 2)) == [2, 4]
    assert pick(store, store.open(0), "best", 1)[0].value == pytest.approx(0.9)
    assert len(pick(store, store.open(0), "worst", 9)) == 4  # one has no score


def test_of_each_input_one_row_is_shown(tmp_path):
    store = Store(tmp_path)
    table = pa.table({"id": [5, 5, 6, 6, 7], "scores.vote": [0.9, 0.8, 0.7, 0.95, 0.1]})
    commit(store, [table.slice(0, 3), table.slice(3)])
    found = pick(store, store.open(0), "best", 3)
    assert [(row.row["id"], row.value) for row in found] == [(6, 0.95), (5, 0.9), (7, 0.1)]


def test_another_score(store):
    assert ids(pick(store, store.open(0), "best", 1, "chosen_score")) == [3]
    with pytest.raises(StoreError, match="no score 'reward'; give --score one of"):
        pick(store, store.open(0), "best", 1, "reward")


def test_what_changed_most_comes_with_what_it_was(store):
    found = pick(store, store.open(1), "changed", 2)
    assert ids(found) == [2, 4]
    assert found[0].value == pytest.approx(0.7)
    assert found[0].before["chosen_score"] == pytest.approx(1.1)


def test_other_classes_come_before_other_scores(tmp_path):
    store = Store(tmp_path)
    for labels, confidence in (([0, 1, 1], [0.5, 0.6, 0.7]), ([0, 0, 1], [0.9, 0.6, 0.7])):
        commit(store, [pa.table({"id": [7, 8, 9], "label": labels, "scores.confidence": confidence})])
    found = pick(store, store.open(1), "changed", 9)
    assert [(row.row["id"], pytest.approx(row.value)) for row in found] == [(8, 0.0), (7, 0.4)]


def test_the_first_round_has_changed_nothing(store):
    with pytest.raises(StoreError, match="follows no other"):
        pick(store, store.open(0), "changed")


def test_random_rows_are_the_same_for_the_same_seed(store):
    draws = [tuple(ids(pick(store, store.open(0), "random", 3, seed=seed))) for seed in (0, 0, 1, 2, 3)]
    assert draws[0] == draws[1]
    assert len(set(draws)) > 1


def test_without_a_score_there_is_no_best(tmp_path):
    store = two_rounds(tmp_path)
    with pytest.raises(StoreError, match="name one with --score"):
        pick(store, store.open(0), "best")


def test_only_shards_that_are_needed_are_read(store, tmp_path):
    (tmp_path / "round-00000/data/00000.parquet").unlink()
    assert [row["id"] for row in fetch(store, store.open(0), np.array([4, 2]))] == [4, 2]


def test_an_empty_round_that_serves_none(tmp_path):
    store = Store(tmp_path)
    commit(store, [pairs([0.1]).slice(0, 0)], serves=None, shards=[])
    assert pick(store, store.open(0), "random") == []
    assert render_sample([]) == "There are no such rows."


def test_both_sides_stand_beside_each_other_and_control_characters_are_spelled_out(tmp_path):
    store = Store(tmp_path)
    commit(store, [pairs([0.5], "x" * 30 + "\n\x1b[31mred")])
    shown = render_sample(pick(store, store.open(0), "best"), width=60).splitlines()
    assert shown[1].split("│")[0].strip() == "chosen"
    assert shown[3].split("│")[1].strip() == "worse"
    assert "\\x1b[31mred" in "".join(shown)
    assert "\x1b" not in "".join(shown)
    assert max(map(len, shown)) <= 60
