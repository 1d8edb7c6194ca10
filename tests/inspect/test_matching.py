import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import read
from lit_iterative.inspect import matching
from lit_iterative.inspect.matching import match, parts_of, sum_of_each
from lit_iterative.rounds.store import Store
from tests.inspect.stores import commit


def plain(table, start):
    return table.select(["id"]).append_column("place", pa.array(np.arange(start, start + table.num_rows)))


@pytest.mark.parametrize("kind", [int, str])
@pytest.mark.parametrize("rows_of_a_part", [1 << 16, 7])
def test_agrees_with_dictionaries(tmp_path, monkeypatch, kind, rows_of_a_part):
    monkeypatch.setattr(matching, "ROWS_OF_A_PART", rows_of_a_part)
    draw = np.random.default_rng(1)
    store = Store(tmp_path)
    sides = [[kind(key) for key in draw.choice(200, 120, replace=False)] for _ in range(2)]
    for ids in sides:
        table = pa.table({"id": ids})
        commit(store, [table.slice(0, 50), table.slice(50)])
    pairs, dropped = set(), set()
    for part in match(store.open(0), store.open(1), 120, ["id"], plain):
        assert part.before.num_rows < 60 or rows_of_a_part > 7
        old, new = part.before.to_pylist(), part.after.to_pylist()
        pairs |= {(old[at]["place"] if at >= 0 else None, new[row]["place"]) for row, at in enumerate(part.both)}
        dropped |= {old[at]["id"] for at in part.dropped}
    first = {key: place for place, key in enumerate(sides[0])}
    assert pairs == {(first.get(key), place) for place, key in enumerate(sides[1])}
    assert dropped == set(sides[0]) - set(sides[1])


def test_the_same_id_is_in_the_same_part_and_parts_are_of_like_size():
    for ids in (np.arange(0, 64_000, 16), np.array([f"row {i}" for i in range(4000)])):
        counts = np.bincount(parts_of(ids, 16), minlength=16)
        assert counts.min() > 150
        assert (parts_of(ids[::-1], 16) == parts_of(ids, 16)[::-1]).all()


def test_several_rows_of_an_id_are_one():
    table = pa.table({"id": [4, 2, 4], "content": [1, 5, 2]})
    assert dict(zip(*(read(sum_of_each(table), c).tolist() for c in ("id", "content")), strict=True)) == {2: 5, 4: 3}
    assert matching.first_of_each(table).to_pylist() == [{"id": 4, "content": 1}, {"id": 2, "content": 5}]
