"""Files of the store: written whole or not at all, locally or at any fsspec URL."""

import errno
import json
import os
import posixpath
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from lit_iterative.errors import StoreError

BLOCK = 1 << 22


class Files:
    """A folder, and nothing but the few things that a store does with one.

    Args:
        url: A local path, or any URL that fsspec knows.
    """

    def __init__(self, url: str | os.PathLike[str]) -> None:
        self.url = os.fspath(url)
        self._fs, self._root = fsspec.core.url_to_fs(self.url)
        self._local = isinstance(self._fs, LocalFileSystem)

    def path(self, name: str) -> str:
        """Return the full path of a file or folder in the form that ``torch`` and Lightning take."""
        full = posixpath.join(self._root, name) if name else self._root
        return full if self._local else str(self._fs.unstrip_protocol(full))

    def exists(self, name: str) -> bool:
        """Tell whether there is such a file or folder."""
        return bool(self._fs.exists(posixpath.join(self._root, name)))

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        return int(self._fs.size(posixpath.join(self._root, name)))

    def list(self, name: str = "") -> list[str]:
        """Return the names in a folder, sorted; none if there is no such folder."""
        folder = posixpath.join(self._root, name) if name else self._root
        if not self._fs.exists(folder):
            return []
        self._fs.invalidate_cache(folder)
        return sorted(posixpath.basename(entry.rstrip("/")) for entry in self._fs.ls(folder, detail=False))

    def read_bytes(self, name: str) -> bytes:
        """Return a file's content."""
        content: bytes = self._fs.cat_file(posixpath.join(self._root, name))
        return content

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file, of which little is in memory at a time."""
        total = sha256()
        with self._fs.open(posixpath.join(self._root, name), "rb") as file:
            while block := file.read(BLOCK):
                total.update(block)
        return total.hexdigest()

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file so that at every instant it is whole or absent, and durable when this returns.

        Raises:
            StoreError: If the disk is full.
        """
        full = posixpath.join(self._root, name)
        with self._explained(name):
            self._fs.makedirs(posixpath.dirname(full), exist_ok=True)
            if not self._local:
                self._fs.pipe_file(full, content)
                return
            temporary = f"{full}.{os.getpid()}.tmp"
            try:
                with open(temporary, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, full)
            except OSError:
                if os.path.exists(temporary):
                    os.remove(temporary)
                raise

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise StoreError(
                f"No space left for {name} in {self.url}. All committed rounds are whole. Free some space "
                "and run the same command again: it goes on in this round without redoing finished shards."
            ) from error

    def guarded(self, name: str, write: Callable[[], None]) -> None:
        """Let another library write ``name``; a full disk is explained as elsewhere."""
        with self._explained(name):
            write()

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all in it, if it is there."""
        if self.exists(name):
            self._fs.rm(posixpath.join(self._root, name), recursive=True)

    def move(self, name: str, to: str) -> None:
        """Move a file or folder."""
        target = posixpath.join(self._root, to)
        self._fs.makedirs(posixpath.dirname(target), exist_ok=True)
        self._fs.mv(posixpath.join(self._root, name), target, recursive=True)

    def copy(self, name: str, to: str) -> None:
        """Copy a file; on a local disk the copy is whole or absent at every instant."""
        source, target = (posixpath.join(self._root, part) for part in (name, to))
        with self._explained(to):
            self._fs.makedirs(posixpath.dirname(target), exist_ok=True)
            if not self._local:
                self._fs.copy(source, target)
                return
            temporary = f"{target}.{os.getpid()}.tmp"
            shutil.copyfile(source, temporary)
            os.replace(temporary, target)

    def read_json(self, name: str) -> Any:
        """Return what a JSON file holds.

        Raises:
            StoreError: If it is not JSON.
        """
        try:
            return json.loads(self.read_bytes(name))
        except ValueError as error:
            raise StoreError(
                f"{self.path(name)} is not valid JSON ({error}). Restore it, or delete the folder of this round "
                "to make it again."
            ) from error

    def write_json(self, name: str, value: Any) -> None:
        """Write primitives as JSON."""
        self.write_bytes(name, json.dumps(value, indent=1, sort_keys=True).encode())

    def read_table(self, name: str, columns: Any = None) -> pa.Table:
        """Return a Parquet file, all columns or some.

        Raises:
            StoreError: If it is truncated or damaged.
        """
        try:
            with self._source(name) as file:
                return pq.read_table(file, columns=columns)
        except (pa.ArrowInvalid, OSError) as error:
            raise StoreError(
                f"{self.path(name)} cannot be read ({error}). Restore the file, or delete the folder of this "
                "round and run the same command again to make it anew."
            ) from error

    def read_schema(self, name: str) -> tuple[pa.Schema, int]:
        """Return the schema of a Parquet file, with its metadata, and its number of rows."""
        with self._source(name) as file:
            parquet = pq.ParquetFile(file)
            return parquet.schema_arrow, parquet.metadata.num_rows

    def _source(self, name: str) -> pa.NativeFile:
        """Open a file without Python in the way.

        Arrow's threads outlive a read, and those that hold a Python file abort the interpreter's exit now and
        then (apache/arrow issue 33975).
        """
        return pa.OSFile(self.path(name)) if self._local else pa.BufferReader(self.read_bytes(name))

    def write_table(self, name: str, table: pa.Table) -> bytes:
        """Write a Parquet file and return its bytes; the same table always gives the same bytes."""
        buffer = BytesIO()
        pq.write_table(table.combine_chunks(), buffer, compression="zstd", store_schema=True)
        content = buffer.getvalue()
        self.write_bytes(name, content)
        return content


def digest(content: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return sha256(content).hexdigest()
