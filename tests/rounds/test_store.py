import pyarrow as pa
import pytest

from lit_iterative.errors import StoreError
from lit_iterative.rounds.manifest import FORMAT, Manifest, OpCount
from lit_iterative.rounds.store import Store


def manifest(round, shards, serves=None, **other):
    facts = {
        "key": f"key{round}",
        "plan": "plan",
        "recipe": {},
        "phase": "main",
        "seed": 0,
        "weights": "w",
        "pool": "p",
    }
    zero = {
        "metrics_before": {},
        "seconds": 0.0,
        "seed": 0,
        "epoch": round,
        "global_step": 0,
        "versions": {},
        "memory": {},
    }
    rest = {"previous": None, "pool_rows": 9, "ops": [OpCount("A", 9, 2, 0.1)], "metrics": {"rows": 2}}
    serves = (round if shards else None) if serves is None else serves
    return Manifest(round=round, shards=shards, serves=serves, **{**facts, **zero, **rest, **other})


def commit(store, round, ids, **other):
    draft = store.draft(round)
    draft.begin({"key": f"key{round}", "plan": "plan"})
    draft.write(0, 0, pa.table({"id": [1]}))
    shards = draft.add_data(pa.table({"id": pa.array(part, pa.int64())}) for part in ids)
    return draft.commit(manifest(round, shards, **other))


def test_a_round_is_absent_until_its_manifest_is_there(tmp_path):
    store = Store(tmp_path)
    draft = store.draft(0)
    draft.begin({"key": "k", "plan": "p"})
    draft.add_data([pa.table({"id": [1]})])
    assert store.rounds() == []
    assert store.latest() is None
    draft.commit(manifest(0, []))
    assert store.rounds() == [0]


def test_committed_rows_come_back_and_work_is_gone(tmp_path):
    version = commit(Store(tmp_path), 0, [[1, 2], [3]])
    assert version.table()["id"].to_pylist() == [1, 2, 3]
    assert [part.num_rows for part in version.parts()] == [2, 1]
    assert version.columns == ["id"]
    assert not (tmp_path / "round-00000" / "work").exists()
    assert version.damage() == []


def test_a_manifest_comes_back_as_it_was(tmp_path):
    version = commit(Store(tmp_path), 0, [[1]])
    assert Store(tmp_path).open(0).manifest == version.manifest


def test_a_gap_ends_the_rounds(tmp_path):
    store = Store(tmp_path)
    for round in (0, 1, 2):
        commit(store, round, [[1]])
    store.files.remove("round-00001/manifest.json")
    assert store.rounds() == [0]


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


def test_resume_points(tmp_path):
    store = Store(tmp_path)
    assert store.resume_point() is None
    assert store.plan() is None
    store.draft(0).begin({"key": "k", "plan": "early"})
    assert store.resume_point().endswith("round-00000/boundary.ckpt")
    assert store.plan() == "early"
    commit(store, 0, [[1]])
    assert store.resume_point().endswith("round-00000/boundary.ckpt")
    store.finish({"acc": 0.5}, "plan")
    assert store.resume_point().endswith("last.ckpt")
    assert store.final_metrics() == {"acc": 0.5}
    store.draft(1).begin({"key": "k", "plan": "plan"})
    assert store.resume_point().endswith("last.ckpt")
    commit(store, 1, [[1]])
    assert store.resume_point().endswith("round-00001/boundary.ckpt")


def test_superseded_rounds_are_set_aside_and_kept(tmp_path):
    store = Store(tmp_path)
    for round in (0, 1, 2):
        commit(store, round, [[round]])
    store.finish({}, "plan")
    assert store.supersede(1) == ["superseded/000-round-00001", "superseded/001-round-00002"]
    assert store.rounds() == [0]
    assert store.final_metrics() == {}
    assert (tmp_path / "superseded" / "001-round-00002" / "manifest.json").exists()
    commit(store, 1, [[1]])
    assert store.supersede(1) == ["superseded/002-round-00001"]
