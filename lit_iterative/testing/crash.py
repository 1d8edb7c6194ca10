"""Crashes on purpose: a store whose n-th write never happens."""

import os

from lit_iterative.rounds.files import Files
from lit_iterative.rounds.store import Store


class Crash(RuntimeError):
    """The simulated crash."""


class CrashingFiles(Files):
    """Files that work for some writes and then fail.

    Args:
        url: The folder.
        writes: Writes that succeed; without limit when left out.
    """

    def __init__(self, url: str | os.PathLike[str], writes: int | None = None) -> None:
        super().__init__(url)
        self.allowed = writes
        self.done = 0

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file, or crash in its place.

        Raises:
            Crash: If the allowed writes are done.
        """
        if self.done == self.allowed:
            raise Crash(f"Crash in place of write {self.done}, {name}.")
        self.done += 1
        super().write_bytes(name, content)


class CrashingStore(Store):
    """A store that crashes in place of a given write.

    Args:
        url: The folder.
        writes: Writes that succeed; without limit when left out.
    """

    def __init__(self, url: str | os.PathLike[str], writes: int | None = None) -> None:
        super().__init__(url)
        self.crashing = CrashingFiles(url, writes)
        self.files = self.crashing
