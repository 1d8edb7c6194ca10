from lit_iterative.rounds.store import Store
from tests.rounds.committed import commit


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
