import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.errors import StoreError
from lit_iterative.inspect.difference import Flow, compare, render_difference
from lit_iterative.rounds.store import Store
from tests.inspect.stores import LABELS, commit, rows, two_rounds


@pytest.mark.parametrize("soft", [False, True])
def test_ids_and_labels(tmp_path, soft):
    found = compare(two_rounds(tmp_path, soft), 0, 1)
    assert found.counts == {"added": 1, "dropped": 1, "changed": 1, "same": 1}
    assert found.examples == {"added": [9], "dropped": [3], "changed": [8]}
    assert set(found.flows) == {Flow(1, 1, 1), Flow(1, 0, 1), Flow(None, 2, 1), Flow(0, None, 1)}


def test_the_other_way_round(tmp_path):
    found = compare(two_rounds(tmp_path), 1, 0)
    assert found.examples == {"added": [3], "dropped": [9], "changed": [8]}


def test_agrees_with_dictionaries_on_random_rounds(tmp_path):
    draw = np.random.default_rng(0)
    maps = [{int(i): int(draw.integers(4)) for i in draw.choice(60, 40, replace=False)} for _ in range(2)]
    store = Store(tmp_path)
    for labels in maps:
        table = rows(labels)
        commit(store, [table.slice(0, 17), table.slice(17)])
    a, b = maps
    found = compare(store, 0, 1, examples=99)
    assert set(found.examples["added"]) == set(b) - set(a)
    assert set(found.examples["dropped"]) == set(a) - set(b)
    assert set(found.examples["changed"]) == {i for i in a if i in b and a[i] != b[i]}
    ways: dict = {}
    for i in set(a) | set(b):
        ways[a.get(i), b.get(i)] = ways.get((a.get(i), b.get(i)), 0) + 1
    assert {(flow.before, flow.after): flow.rows for flow in found.flows} == ways


def test_parameters_that_changed(tmp_path):
    changes = compare(two_rounds(tmp_path), 0, 1).changes
    assert changes == {"ops.1.Threshold.value": (0.9, 0.8)}


def test_examples_are_limited_and_counts_are_not(tmp_path):
    found = compare(two_rounds(tmp_path), 0, 1, examples=0)
    assert found.examples["added"] == []
    assert found.counts["added"] == 1


def test_a_first_round_without_rows_and_ids_that_are_words(tmp_path):
    store = Store(tmp_path)
    words = pa.table({"id": ["a", "b"], "label": [1, 0]})
    commit(store, [words.slice(0, 0)])
    commit(store, [words])
    found = compare(store, 0, 1)
    assert found.counts == {"added": 2, "dropped": 0, "changed": 0, "same": 0}
    assert compare(store, 1, 0).examples["dropped"] == ["a", "b"]


def test_rows_without_labels(tmp_path):
    store = Store(tmp_path)
    for labels in LABELS:
        commit(store, [rows(labels).drop_columns(["label"])])
    found = compare(store, 0, 1)
    assert found.counts == {"added": 1, "dropped": 1, "changed": 0, "same": 2}
    assert "Classes" not in render_difference(found)


def test_the_matrix(tmp_path):
    shown = render_difference(compare(two_rounds(tmp_path), 0, 1)).splitlines()
    start = shown.index("Classes: from (down) to (across)")
    cells = [line.split() for line in shown[start + 3 : start + 7]]
    assert cells == [
        ["0", "0", "0", "0", "1"],
        ["1", "1", "1", "0", "0"],
        ["2", "0", "0", "0", "0"],
        ["absent", "0", "0", "1"],
    ]


def test_many_classes_are_a_list_of_ways(tmp_path):
    store = Store(tmp_path)
    commit(store, [rows({i: i for i in range(30)})])
    commit(store, [rows({i: (i + 1) % 30 for i in range(30)})])
    shown = render_difference(compare(store, 0, 1))
    assert "The 20 widest ways between classes" in shown


def test_a_truncated_shard_is_named(tmp_path):
    store = two_rounds(tmp_path)
    shard = tmp_path / "round-00001/data/00000.parquet"
    shard.write_bytes(b"")
    with pytest.raises(StoreError, match="truncated"):
        compare(store, 0, 1)
