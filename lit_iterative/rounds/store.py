"""The round store: every round is a folder of Parquet shards, whole once its manifest is there.

Layout below the store's folder::

    initial.pt                       weights before training, where a policy or an op asks for them
    round-00000/manifest.json        written last: with it the round is committed
    round-00000/data/00000.parquet   the rows
    round-00000/boundary.ckpt        the trainer, at the boundary at which the round was made
    round-00000/work                 unfinished: shards of every stage, gone after the commit
    last.json, last.ckpt             the trainer at the end of fit
    superseded/…                     rounds of a branch that was left, kept for the record
"""

import re
from collections.abc import Iterable, Iterator
from os import PathLike
from typing import Any

import pyarrow as pa

from lit_iterative.errors import StoreError
from lit_iterative.rounds.files import Files, digest
from lit_iterative.rounds.manifest import Manifest, Shard
from lit_iterative.rounds.seal import hashes, sealed
from lit_iterative.rounds.verdict import path

SCHEMA = "data/schema.parquet"
BOUNDARY = "boundary.ckpt"
LAST = "last.ckpt"
#: What a round holds beside its rows.
BESIDE = ("boundary.json", BOUNDARY, SCHEMA, "data/ledger.parquet")
FIRST = ("../initial.pt",)  # beside the first round


def folder(round: int) -> str:
    """Return the folder name of a round."""
    return f"round-{round:05d}"


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
        return Store(self._files.url).open(number).manifest

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
        name = f"{folder(self.round)}/data/ledger.parquet"
        return self._files.read_table(name) if self._files.exists(name) else None


class Store:
    """All rounds of one run.

    Args:
        url: A local path, or any URL that fsspec knows.

    Example:
        >>> Store("no/such/folder").rounds()
        []
    """

    def __init__(self, url: str | PathLike[str]) -> None:
        self.files = Files(url)

    @property
    def url(self) -> str:
        """Where it is."""
        return self.files.url

    def rounds(self) -> list[int]:
        """Return the numbers of the committed rounds, from the first without a gap."""
        names = {name for name in self.files.list() if re.fullmatch(r"round-\d{5}", name)}
        rounds: list[int] = []
        while folder(len(rounds)) in names and self.files.exists(f"{folder(len(rounds))}/manifest.json"):
            rounds.append(len(rounds))
        return rounds

    def open(self, round: int) -> Version:
        """Return a committed round.

        Raises:
            StoreError: If it is absent or its manifest cannot be read.
        """
        name = f"{folder(round)}/manifest.json"
        if not self.files.exists(name):
            raise StoreError(f"{self.url} has no round {round}; it has {self.rounds() or 'none'}.")
        return Version(self.files, Manifest.from_dict(self.files.read_json(name), self.files.path(name)))

    def versions(self) -> Iterator[Version]:
        """Return all committed rounds, in order."""
        return (self.open(round) for round in self.rounds())

    def path(self, round: int) -> list[int]:
        """Return the rounds on which this one builds: all before, but for those behind which the run went back."""
        return path([self.open(past).manifest.verdict.back_to for past in range(round)])

    def latest(self) -> Version | None:
        """Return the last committed round."""
        rounds = self.rounds()
        return self.open(rounds[-1]) if rounds else None

    def plan(self) -> str | None:
        """Return the hash of the plan of the last round, committed or begun, or none where nothing was begun."""
        done = len(self.rounds())
        draft = self.draft(done)
        if draft.begun:
            begun: str = draft.facts()["plan"]
            return begun
        if done:
            return self.open(done - 1).manifest.plan
        ended: dict[str, str] = self.files.read_json("last.json") if self.files.exists("last.json") else {}
        return ended.get("plan")

    def resume_point(self) -> str | None:
        """Return the checkpoint from which the run goes on, or none where nothing was begun."""
        done = len(self.rounds())
        if self.files.exists("last.json") and self.files.read_json("last.json")["rounds"] == done:
            return self.files.path(LAST)
        for round in (done, done - 1):
            if round >= 0 and self.files.exists(f"{folder(round)}/boundary.json"):
                return self.files.path(f"{folder(round)}/{BOUNDARY}")
        return None

    def supersede(self, round: int) -> list[str]:
        """Set aside this round and all later ones, begun or committed; return their new names."""
        moved = []
        for name in self.files.list():
            if re.fullmatch(r"round-\d{5}", name) and int(name[6:]) >= round:
                number = len(self.files.list("superseded"))
                moved.append(f"superseded/{number:03d}-{name}")
                self.files.move(name, moved[-1])
        self.files.remove("last.json")
        return moved

    def reopen(self) -> None:
        """Forget that a fit has ended, before its end is written anew."""
        self.files.remove("last.json")

    def finish(self, metrics: dict[str, float], plan: str) -> None:
        """Note that a fit of this plan has ended and that ``last.ckpt`` is whole."""
        facts = {"rounds": len(self.rounds()), "metrics": metrics, "plan": plan}
        self.files.write_bytes("last.json", sealed({**facts, "files": hashes(self.files, ".", [LAST])}))

    def final_metrics(self) -> dict[str, float]:
        """Return the trainer's metrics at the end of fit, if it ended."""
        if not self.files.exists("last.json"):
            return {}
        metrics: dict[str, float] = self.files.read_json("last.json")["metrics"]
        return metrics

    def draft(self, round: int) -> "Draft":
        """Return the unfinished round, new or as a crash left it."""
        return Draft(self, round)


class Draft:
    """A round that is being made.

    Args:
        store: Its store.
        round: Its number.
    """

    def __init__(self, store: Store, round: int) -> None:
        self.round = round
        self.base = folder(round)
        self._work = f"{self.base}/work"
        self._files = store.files

    @property
    def begun(self) -> bool:
        """Whether the boundary checkpoint is whole."""
        return self._files.exists(f"{self.base}/boundary.json")

    def begin(self, facts: dict[str, Any]) -> None:
        """Note that the boundary checkpoint is whole, and the facts that the round starts from."""
        self._files.write_json(f"{self.base}/boundary.json", facts)

    def facts(self) -> dict[str, Any]:
        """Return the facts noted by :meth:`begin`."""
        facts: dict[str, Any] = self._files.read_json(f"{self.base}/boundary.json")
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
        self._files.write_table(f"{self.base}/data/ledger.parquet", table)

    def commit(self, manifest: Manifest) -> Version:
        """Make the round whole: write the manifest with hashes of all files, then drop the unfinished work."""
        facts = {**manifest.to_dict(), "files": hashes(self._files, self.base, [*BESIDE, *FIRST[self.round :]])}
        self._files.write_bytes(f"{self.base}/manifest.json", sealed(facts))
        self.clear()
        return Version(self._files, manifest)
