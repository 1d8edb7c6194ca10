"""Frozen models: loaded once in a process, and again only where their folder has changed."""

import os
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Model = TypeVar("Model")
Stamp = tuple[tuple[str, int, int], ...]


class Loaded(Generic[Model]):
    """The models of one kind that a process holds.

    Example:
        >>> models = Loaded()
        >>> models.get("a", "no/folder", lambda: [1]) is models.get("a", "no/folder", lambda: [2])
        True
    """

    def __init__(self) -> None:
        self._models: dict[Hashable, tuple[Stamp, Model]] = {}

    def get(self, key: Hashable, path: str, load: Callable[[], Model]) -> Model:
        """Return a model.

        Args:
            key: All that says which model it is, and where it runs.
            path: The folder it comes from, or an id on the hub.
            load: Loads it; called at most once until the folder changes. The old model goes first.
        """
        now = stamp(path)
        if key in self._models and self._models[key][0] != now:
            del self._models[key]
        if key not in self._models:
            self._models[key] = now, load()
        return self._models[key][1]


def stamp(path: str) -> Stamp:
    """Return names, sizes and times of a folder's files, to see later whether it changed; nothing for an id."""
    if not os.path.isdir(path):
        return ()
    entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    return tuple((entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in entries)
