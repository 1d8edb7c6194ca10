"""Version: a committed round, its rows and what is known of it."""

import re
from collections.abc import Iterator

import pyarrow as pa

from lit_iterative.errors import StoreError
from lit_iterative.rounds.files import Files, digest
from lit_iterative.rounds.layout import LEDGER, MANIFEST, SCHEMA, folder
from lit_iterative.rounds.manifest import Manifest, Shard


def committed(files: Files) -> list[int]:
    """Return the numbers of the committed rounds of a store, from the first without a gap."""
    names = {name for name in files.list() if re.fullmatch(r"round-\d{5}", name)}
    rounds: list[int] = []
    while folder(len(rounds)) in names and files.exists(f"{folder(len(rounds))}/{MANIFEST}"):
        rounds.append(len(rounds))
    return rounds


def read_manifest(files: Files, round: int) -> Manifest:
    """Return what is known of a committed round.

    Raises:
        StoreError: If it is absent or its manifest cannot be read.
    """
    name = f"{folder(round)}/{MANIFEST}"
    if not files.exists(name):
        raise StoreError(f"{files.url} has no round {round}; it has {committed(files) or 'none'}.")
    return Manifest.from_dict(files.read_json(name), files.path(name))


class Version:
    """A committed round.

    Args:
        files: The store's files.
        manifest: What is known of the round.
    """

    def __init__(self, files: Files, manifest: Manifest) -> None:
        self._files = files
        self.manifest = manifest
        self.round = manifest.round

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """Return the rows that this round serves, which are an earlier round's where it is empty.

        Raises:
            StoreError: If a shard is missing, truncated or damaged.
        """
        return pa.concat_tables(list(self.parts(columns)))

    def parts(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Yield the rows of :meth:`table` one shard after another; one empty table where there are none.

        Raises:
            StoreError: If a shard is missing, truncated or damaged.
        """
        serving = self._serving()
        if serving is None:
            yield self._files.read_table(self._schema(), columns)
        else:
            yield from (self._read(folder(serving.round), shard, columns) for shard in serving.shards)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of the rows that this round serves."""
        names: list[str] = self._files.read_schema(self._schema())[0].names
        return names

    def _schema(self) -> str:
        serving = self._serving()
        return f"{folder(self.round if serving is None else serving.round)}/{SCHEMA}"

    def _serving(self) -> Manifest | None:
        number = self.manifest.serves
        if number is None or number == self.round:
            return self.manifest if number is not None else None
        return read_manifest(self._files, number)

    def _read(self, base: str, shard: Shard, columns: list[str] | None) -> pa.Table:
        name = f"{base}/{shard.name}"
        if not self._files.exists(name):
            raise StoreError(
                f"{self._files.path(name)} is missing. Restore it, or delete {base} and run the same command again."
            )
        size = self._files.size(name)
        if size != shard.bytes:
            raise StoreError(
                f"{self._files.path(name)} has {size} bytes instead of {shard.bytes}: it is truncated or was "
                f"changed. Restore it, or delete {base} and run the same command again."
            )
        return self._files.read_table(name, columns)

    def damage(self) -> list[str]:
        """Return the names of shards whose content is not what was committed."""
        base = folder(self.round)
        names = [f"{base}/{shard.name}" for shard in self.manifest.shards]
        found = [digest(self._files.read_bytes(n)) if self._files.exists(n) else "" for n in names]
        return [n for n, f, s in zip(names, found, self.manifest.shards, strict=True) if f != s.sha256]

    def ledger(self) -> pa.Table | None:
        """Return what is remembered of every input, if anything is."""
        name = f"{folder(self.round)}/{LEDGER}"
        return self._files.read_table(name) if self._files.exists(name) else None
