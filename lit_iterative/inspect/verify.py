"""``rounds verify``: compare every file of a store with the hash that was written beside it."""

import posixpath
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from lit_iterative.errors import StoreError
from lit_iterative.inspect import text
from lit_iterative.inspect.find import begun
from lit_iterative.inspect.pruned import pruned_files
from lit_iterative.rounds.command import COMMAND
from lit_iterative.rounds.layout import folder
from lit_iterative.rounds.manifest import Manifest
from lit_iterative.rounds.seal import is_sound
from lit_iterative.rounds.store import Store

Kind = Literal["missing", "changed", "unreadable", "wrong", "unsealed"]
SUPERSEDED = re.compile(r"\d{3}-round-\d{5}")


@dataclass(frozen=True)
class Fault:
    """Something that is not as it was committed.

    Args:
        file: Its path below the store.
        kind: ``missing``; ``changed``; ``unreadable``; ``wrong`` where a file contradicts another; ``unsealed`` where
            an older version wrote no hash, so that nothing is known of it.
        said: What is wrong, and the remedy.
    """

    file: str
    kind: Kind
    said: str


@dataclass(frozen=True)
class Verification:
    """What was found.

    Args:
        files: Files that were compared with a hash.
        bytes: Bytes in them.
        faults: What is not as it was committed.
    """

    files: int
    bytes: int
    faults: list[Fault]

    @property
    def sound(self) -> bool:
        """Whether nothing is missing or changed; a file without a hash is told of, but is no damage."""
        return all(fault.kind == "unsealed" for fault in self.faults)


class Verifier:
    """Goes through a store.

    Args:
        store: The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._files = store.files
        self.checked = 0
        self.bytes = 0

    def faults(self) -> Iterator[Fault]:
        """Check all rounds, also those that were set aside, and the end of the fit."""
        keys: dict[int, str] = {}
        rounds = begun(self._store)
        committed = len(self._store.rounds())
        for round in rounds:
            if self._files.exists(f"{folder(round)}/manifest.json"):
                yield from self._round(folder(round), keys)
                if round >= committed:
                    yield Fault(folder(round), "wrong", f"Round {committed} is missing: a run cannot reach this one.")
        for name in self._files.list("superseded"):
            if SUPERSEDED.fullmatch(name) and self._files.exists(f"superseded/{name}/manifest.json"):
                yield from self._round(f"superseded/{name}", None)
        if self._files.exists(COMMAND):
            yield from self._sealed(COMMAND)
        if self._files.exists("last.json"):
            values = yield from self._sealed("last.json")
            if values is not None:
                yield from self._listed(".", values)

    def _round(self, base: str, keys: dict[int, str] | None) -> Iterator[Fault]:
        name = f"{base}/manifest.json"
        values = yield from self._sealed(name)
        if values is None:
            return
        try:
            manifest = Manifest.from_dict(values, name)
        except (StoreError, TypeError) as error:
            yield Fault(name, "unreadable", str(error))
            return
        absent = pruned_files(self._files, base)
        for shard in manifest.shards:
            if shard.name not in absent:
                yield from self._compare(f"{base}/{shard.name}", shard.bytes, shard.sha256)
        yield from self._listed(base, values, absent, outside=keys is not None)
        if keys is not None:
            yield from self._chain(base, manifest, keys)

    def _listed(
        self, base: str, values: dict[str, Any], absent: frozenset[str] = frozenset(), outside: bool = True
    ) -> Iterator[Fault]:
        """Check the files that a sealed text names beside itself; those of a round set aside may be elsewhere."""
        for name, known in values.get("files", {}).items():
            if name not in absent and (outside or not name.startswith("..")):
                path = posixpath.normpath(posixpath.join(base, name))
                yield from self._compare(path, known["bytes"], known["sha256"])

    def _chain(self, base: str, manifest: Manifest, keys: dict[int, str]) -> Iterator[Fault]:
        """Check that a round is the one that its folder says, and follows one that is there."""
        keys[manifest.round] = manifest.key
        if base != folder(manifest.round):
            yield Fault(base, "wrong", f"It holds round {manifest.round}. Rename the folder, or restore it.")
        if manifest.previous is not None and manifest.previous not in keys.values():
            yield Fault(base, "wrong", "It was made after a round that is not in the store. Restore that one.")
        if manifest.serves is not None and manifest.serves not in keys:
            yield Fault(
                base, "wrong", f"It serves round {manifest.serves}, which is not in the store. Restore that one."
            )

    def _sealed(self, name: str) -> Generator[Fault, None, dict[str, Any] | None]:
        """Check a text that holds its own hash, and return what it says."""
        content = self._files.read_bytes(name)
        self.checked, self.bytes = self.checked + 1, self.bytes + len(content)
        sound = is_sound(content)
        if sound is False:
            yield Fault(name, "changed", "Its text is not what was written. Restore it from a copy.")
        try:
            values = self._files.read_json(name)
        except StoreError as error:
            yield Fault(name, "unreadable", str(error))
            return None
        if not isinstance(values, dict):
            yield Fault(name, "unreadable", "It is not what a round writes. Restore it from a copy.")
            return None
        if sound is None:
            yield Fault(name, "unsealed", "It holds no hash of itself: an older version wrote it, or it was edited.")
        return values

    def _compare(self, name: str, size: int, sha256: str) -> Iterator[Fault]:
        remedy = "Restore it from a copy, or delete its round and the later ones and run the same command again."
        if not self._files.exists(name):
            yield Fault(name, "missing", remedy)
            return
        self.checked, self.bytes = self.checked + 1, self.bytes + size
        found = self._files.size(name)
        if found != size:
            yield Fault(name, "changed", f"It has {found} bytes instead of {size}. {remedy}")
        elif self._files.digest(name) != sha256:
            yield Fault(name, "changed", f"Its hash is not the one that was written. {remedy}")


def verify(store: Store) -> Verification:
    """Compare every file of a store with its hash.

    Args:
        store: The store.
    """
    verifier = Verifier(store)
    faults = list(verifier.faults())
    return Verification(verifier.checked, verifier.bytes, faults)


def render_verification(found: Verification) -> str:
    """Return it as text."""
    counted = f"{text.count(found.files)} files, {text.size(found.bytes)} compared with their hashes"
    if not found.faults:
        return f"{counted}: all are what was written."
    rows = [[fault.file, fault.kind, fault.said] for fault in found.faults]
    verdict = "nothing is damaged, but not all is known" if found.sound else "the store is damaged"
    return f"{text.table(['file', 'is', 'what to do'], rows)}\n\n{counted}: {verdict}."
