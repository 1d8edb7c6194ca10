import pytest

from lit_iterative.errors import StoreError
from lit_iterative.rounds.manifest import FORMAT
from lit_iterative.rounds.store import Store
from tests.rounds.committed import commit


def test_a_manifest_comes_back_as_it_was(tmp_path):
    version = commit(Store(tmp_path), 0, [[1]])
    assert Store(tmp_path).open(0).manifest == version.manifest


def test_an_empty_round_serves_the_one_before(tmp_path):
    store = Store(tmp_path)
    commit(store, 0, [[4, 5]])
    empty = commit(store, 1, [[]], serves=0)
    assert empty.manifest.rows == 0
    assert empty.table()["id"].to_pylist() == [4, 5]
    assert empty.columns == ["id"]


def test_empty_rounds_from_the_start_serve_a_table_without_rows(tmp_path):
    version = commit(Store(tmp_path), 0, [[]])
    assert version.manifest.serves is None
    assert version.table().num_rows == 0
    assert version.table().column_names == ["id"]


@pytest.mark.parametrize("how", ["truncated", "missing", "changed"])
def test_damage_is_found_and_named(tmp_path, how):
    version = commit(Store(tmp_path), 0, [[1, 2, 3]])
    shard = tmp_path / "round-00000" / "data" / "00000.parquet"
    content = shard.read_bytes()
    if how == "missing":
        shard.unlink()
    else:
        shard.write_bytes(content[:-9] if how == "truncated" else content[:40] + b"\0" + content[41:])
    assert version.damage() == ["round-00000/data/00000.parquet"]
    if how != "changed":
        with pytest.raises(StoreError, match="00000.parquet.*(missing|truncated).*run the same command again"):
            version.table()


def test_a_manifest_of_a_newer_version_asks_for_an_update(tmp_path):
    store = Store(tmp_path)
    commit(store, 0, [[1]])
    values = store.files.read_json("round-00000/manifest.json")
    store.files.write_json("round-00000/manifest.json", {**values, "format": FORMAT + 1})
    with pytest.raises(StoreError, match=f"format {FORMAT + 1}.*pip install -U lit-iterative"):
        store.open(0)


def test_a_manifest_that_lacks_something_is_named(tmp_path):
    store = Store(tmp_path)
    commit(store, 0, [[1]])
    values = store.files.read_json("round-00000/manifest.json")
    del values["seed"]
    store.files.write_json("round-00000/manifest.json", values)
    with pytest.raises(StoreError, match=r"lacks \['seed'\]"):
        store.open(0)


def test_an_unknown_round_is_named_with_those_there_are(tmp_path):
    commit(Store(tmp_path), 0, [[1]])
    with pytest.raises(StoreError, match=r"no round 5; it has \[0\]"):
        Store(tmp_path).open(5)


def test_a_gap_ends_the_rounds(tmp_path):
    store = Store(tmp_path)
    for round in (0, 1, 2):
        commit(store, round, [[1]])
    store.files.remove("round-00001/manifest.json")
    assert store.rounds() == [0]
