import pyarrow as pa

from lit_iterative.rounds.store import Store
from tests.rounds.committed import commit, manifest


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


def test_work_is_there_until_it_is_cleared(tmp_path):
    draft = Store(tmp_path).draft(0)
    assert (draft.read_note("stage-00"), draft.shards(0)) == (None, set())
    draft.write_note("stage-00", {"rows": 1})
    draft.write(0, 2, pa.table({"id": [7]}))
    again = Store(tmp_path).draft(0)
    assert again.read_note("stage-00") == {"rows": 1}
    assert again.shards(0) == {2}
    assert again.read(0, 2)["id"].to_pylist() == [7]
    again.clear()
    assert (draft.read_note("stage-00"), draft.shards(0)) == (None, set())
