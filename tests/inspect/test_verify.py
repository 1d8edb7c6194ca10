import json

import pytest

from lit_iterative.inspect.verify import render_verification, verify
from lit_iterative.rounds.store import Store
from tests.inspect.stores import commit, rows, two_rounds


@pytest.fixture
def store(tmp_path):
    """Two rounds, an old branch, and the end of a fit."""
    store = two_rounds(tmp_path)
    store.files.write_bytes("initial.pt", b"initial")
    store.supersede(1)
    draft = store.draft(1)
    store.files.write_bytes("round-00001/boundary.ckpt", b"boundary" * 99)
    draft.begin({"epoch": 3})
    draft.add_ledger(rows({1: 0}))
    commit(store, [rows({5: 1, 8: 0, 9: 2})], previous="key0")
    store.files.write_bytes("last.ckpt", b"last")
    store.finish({"val_accuracy": 0.5}, "plan")
    return store


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_whole_store_is_sound(store):
    found = verify(store)
    assert (found.faults, found.sound) == ([], True)
    assert "all are what was written" in render_verification(found)


def test_every_file_is_watched(store, tmp_path):
    """Each byte of a file is as good as any other: the first, the middle and the last one are changed in turn."""
    for path in files(tmp_path):
        if path.name == "initial.pt":
            continue  # written after the first round was committed: nothing knows it
        content = path.read_bytes()
        for place in (0, len(content) // 2, len(content) - 1):
            changed = bytearray(content)
            changed[place] ^= 4
            path.write_bytes(bytes(changed))
            name = str(path.relative_to(tmp_path))
            faults = verify(store).faults
            assert name in {fault.file for fault in faults}, (name, place)
            assert not verify(store).sound
        path.write_bytes(content)
    assert verify(store).sound


def test_what_is_missing_or_truncated_is_named(store, tmp_path):
    shard = tmp_path / "round-00001/data/00000.parquet"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    assert [(fault.file, fault.kind) for fault in verify(store).faults] == [
        ("round-00001/data/00000.parquet", "changed")
    ]
    shard.unlink()
    assert [fault.kind for fault in verify(store).faults] == ["missing"]
    assert "the store is damaged" in render_verification(verify(store))


def test_initial_weights_are_hashed_with_the_first_round(tmp_path):
    store = Store(tmp_path)
    store.files.write_bytes("initial.pt", b"initial")
    commit(store, [rows({1: 0})])
    assert verify(store).sound
    store.files.write_bytes("initial.pt", b"initiaX")
    assert [fault.file for fault in verify(store).faults] == ["initial.pt"]


def test_a_gap_and_a_round_of_another_branch_are_found(tmp_path):
    store = two_rounds(tmp_path)
    commit(store, [rows({1: 1})], previous="key of no round")
    assert [(f.file, f.kind) for f in verify(store).faults] == [("round-00002", "wrong")]
    store.files.remove("round-00001")
    assert all(f.kind == "wrong" for f in verify(store).faults)
    assert "Round 1 is missing" in render_verification(verify(store))


def test_an_older_manifest_is_told_of_and_is_no_damage(tmp_path):
    store = two_rounds(tmp_path)
    path = tmp_path / "round-00000/manifest.json"
    values = json.loads(path.read_text())
    del values["seal"]
    path.write_text(json.dumps(values))
    found = verify(store)
    assert [fault.kind for fault in found.faults] == ["unsealed"]
    assert found.sound


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 99}', '{"format": 1}'])
def test_an_unreadable_manifest_is_told_of(tmp_path, text):
    store = two_rounds(tmp_path)
    (tmp_path / "round-00001/manifest.json").write_text(text)
    assert "unreadable" in {fault.kind for fault in verify(store).faults}
