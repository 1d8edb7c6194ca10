import pytest

from lit_iterative.rounds.files import Files
from lit_iterative.rounds.seal import hashes, is_sound, sealed
from tests.inspect.stores import two_rounds


def test_every_changed_byte_is_seen():
    text = sealed({"rows": 3, "name": "é", "seal of": "x"})
    for place in range(len(text)):
        changed = bytearray(text)
        changed[place] ^= 1
        assert is_sound(bytes(changed)) is not True, place


def test_a_text_without_a_seal_is_not_judged():
    assert is_sound(b'{"rows": 3}') is None


@pytest.mark.parametrize("url", ["{}", "memory://seals"])
def test_files_that_are_there_are_hashed_by_folder(tmp_path, url):
    files = Files(url.format(tmp_path))
    files.write_bytes("a/b", b"abc")
    files.write_bytes("c", b"")
    found = hashes(files, "a", ["b", "../c", "d"])
    assert found["b"] == {
        "bytes": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",  # FIPS 180-2, appendix B.1
    }
    assert found["../c"]["bytes"] == 0
    assert "d" not in found


def test_a_committed_manifest_is_sealed_and_names_what_lies_beside_it(tmp_path):
    store = two_rounds(tmp_path)
    text = store.files.read_bytes("round-00001/manifest.json")
    assert is_sound(text)
    assert list(store.files.read_json("round-00001/manifest.json")["files"]) == ["data/schema.parquet"]
