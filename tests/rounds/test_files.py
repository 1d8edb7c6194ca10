import errno
import os
import resource
import subprocess
import sys

import fsspec
import pyarrow as pa
import pytest

from lit_iterative.errors import StoreError
from lit_iterative.rounds.files import Files


@pytest.fixture(params=["local", "memory"])
def files(request, tmp_path):
    if request.param == "local":
        return Files(tmp_path / "store")
    fsspec.filesystem("memory").store.clear()
    return Files("memory://store")


def test_what_is_written_is_read_on_any_file_system(files):
    files.write_json("a/b.json", {"x": [1, None, "y"]})
    files.write_table("a/c.parquet", pa.table({"id": [1, 2]}))
    assert files.read_json("a/b.json") == {"x": [1, None, "y"]}
    assert files.read_table("a/c.parquet", ["id"])["id"].to_pylist() == [1, 2]
    assert files.read_schema("a/c.parquet")[1] == 2
    assert files.list("a") == ["b.json", "c.parquet"]
    assert files.list("nothing") == []
    assert files.exists("a/b.json")
    assert files.size("a/b.json") == len(files.read_bytes("a/b.json"))


def test_files_move_and_go(files):
    files.write_bytes("a/b", b"1")
    files.move("a", "old/a")
    assert not files.exists("a/b")
    assert files.read_bytes("old/a/b") == b"1"
    files.remove("old")
    files.remove("old")
    assert not files.exists("old/a/b")


def test_equal_tables_have_equal_bytes(tmp_path):
    files = Files(tmp_path)
    parts = pa.concat_tables([pa.table({"id": [1]}), pa.table({"id": [2]})])
    assert files.write_table("a", parts) == files.write_table("b", pa.table({"id": [1, 2]}))


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    files = Files(tmp_path)
    files.write_bytes("x", b"old")

    def broken(source, target):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="broken"):
        files.write_bytes("x", b"new")
    assert files.read_bytes("x") == b"old"
    assert files.list() == ["x"]


FULL = """
import resource, sys
from lit_iterative.rounds.files import Files
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
files = Files(sys.argv[1])
files.write_bytes("small", b"x" * 500)
files.write_bytes("large", b"x" * 5000)
"""


def test_a_disk_that_takes_no_more_is_explained(tmp_path):
    assert resource.RLIMIT_FSIZE is not None
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True)
    assert "StoreError: No space left for large" in done.stderr
    assert "Free some space and run the same command again" in done.stderr
    assert Files(tmp_path).list() == ["small"]


def test_a_damaged_parquet_file_is_explained(tmp_path):
    files = Files(tmp_path)
    content = files.write_table("x.parquet", pa.table({"id": list(range(100))}))
    files.write_bytes("x.parquet", content[:-20])
    with pytest.raises(StoreError, match=r"x.parquet cannot be read.*run the same command again"):
        files.read_table("x.parquet")


def test_json_that_is_none_is_explained(tmp_path):
    Files(tmp_path).write_bytes("m.json", b"{")
    with pytest.raises(StoreError, match="not valid JSON"):
        Files(tmp_path).read_json("m.json")
