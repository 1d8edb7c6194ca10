"""Draft: a round that is being made, in shards of every stage, until it is committed."""

import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from lit_iterative.rounds.files import Files, digest
from lit_iterative.rounds.layout import BEGUN, BESIDE, FIRST, LEDGER, MANIFEST, SCHEMA, folder
from lit_iterative.rounds.manifest import Manifest, Shard
from lit_iterative.rounds.seal import hashes, sealed
from lit_iterative.rounds.version import Version


class Draft:
    """A round that is being made.

    Args:
        files: Those of its store.
        round: Its number.
    """

    def __init__(self, files: Files, round: int) -> None:
        self.round = round
        self.base = folder(round)
        self._work = f"{self.base}/work"
        self._files = files

    @property
    def begun(self) -> bool:
        """Whether the boundary checkpoint is whole."""
        return self._files.exists(f"{self.base}/{BEGUN}")

    def begin(self, facts: dict[str, Any]) -> None:
        """Note that the boundary checkpoint is whole, and the facts that the round starts from."""
        self._files.write_json(f"{self.base}/{BEGUN}", facts)

    def facts(self) -> dict[str, Any]:
        """Return the facts noted by :meth:`begin`."""
        facts: dict[str, Any] = self._files.read_json(f"{self.base}/{BEGUN}")
        return facts

    def clear(self) -> None:
        """Throw away all unfinished work."""
        self._files.remove(self._work)

    def read_note(self, name: str) -> Any:
        """Return a note of the unfinished work, or none."""
        path = f"{self._work}/{name}.json"
        return self._files.read_json(path) if self._files.exists(path) else None

    def write_note(self, name: str, value: Any) -> None:
        """Note something about the unfinished work."""
        self._files.write_json(f"{self._work}/{name}.json", value)

    def shards(self, stage: int) -> set[int]:
        """Return the numbers of the finished shards of a stage."""
        names = self._files.list(f"{self._work}/{stage:02d}")
        return {int(name[:5]) for name in names if re.fullmatch(r"\d{5}\.parquet", name)}

    def read(self, stage: int, shard: int, columns: list[str] | None = None) -> pa.Table:
        """Return a finished shard of a stage."""
        return self._files.read_table(self._name(stage, shard), columns)

    def content(self, stage: int, shard: int) -> bytes:
        """Return a finished shard of a stage as it is stored."""
        return self._files.read_bytes(self._name(stage, shard))

    def schema(self, stage: int, shard: int) -> tuple[pa.Schema, int]:
        """Return the schema and the number of rows of a finished shard."""
        return self._files.read_schema(self._name(stage, shard))

    def write(self, stage: int, shard: int, table: pa.Table) -> None:
        """Write a shard of a stage."""
        self._files.write_table(self._name(stage, shard), table)

    def read_ledger(self, stage: int) -> pa.Table:
        """Return the ledger that a stage left."""
        return self._files.read_table(f"{self._work}/{stage:02d}/ledger.parquet")

    def write_ledger(self, stage: int, table: pa.Table) -> None:
        """Write the ledger that a stage leaves."""
        self._files.write_table(f"{self._work}/{stage:02d}/ledger.parquet", table)

    def _name(self, stage: int, shard: int) -> str:
        return f"{self._work}/{stage:02d}/{shard:05d}.parquet"

    def add_data(self, tables: Iterable[pa.Table]) -> list[Shard]:
        """Write the round's data, and an empty table that keeps its schema."""
        shards: list[Shard] = []
        for table in tables:
            if not shards:
                self._files.write_table(f"{self.base}/{SCHEMA}", table.slice(0, 0))
            if not table.num_rows:
                continue
            name = f"data/{len(shards):05d}.parquet"
            content = self._files.write_table(f"{self.base}/{name}", table)
            shards.append(Shard(name, table.num_rows, len(content), digest(content)))
        return shards

    def add_ledger(self, table: pa.Table) -> None:
        """Write what is remembered of every input."""
        self._files.write_table(f"{self.base}/{LEDGER}", table)

    def commit(self, manifest: Manifest) -> Version:
        """Make the round whole: write the manifest with hashes of all files, then drop the unfinished work."""
        facts = {**manifest.to_dict(), "files": hashes(self._files, self.base, [*BESIDE, *FIRST[self.round :]])}
        self._files.write_bytes(f"{self.base}/{MANIFEST}", sealed(facts))
        self.clear()
        return Version(self._files, manifest)
