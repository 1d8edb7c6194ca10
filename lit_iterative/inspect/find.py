"""Find the store, and the round, that a person means."""

import posixpath
import re

from lit_iterative.errors import StoreError
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.version import Version

ROUND = re.compile(r"round-(\d{5})")


def begun(store: Store) -> list[int]:
    """Return the numbers of all rounds that have a folder, committed or not."""
    return [int(match[1]) for match in map(ROUND.fullmatch, store.files.list()) if match]


def find_store(path: str) -> Store:
    """Return the store in a folder.

    Args:
        path: The store itself, or the folder of a run that holds it as ``rounds``; local or any fsspec URL.

    Raises:
        StoreError: If there is no such folder, or no rounds in it.
    """
    if not Store(path).files.exists(""):
        raise StoreError(
            f"There is no folder {path}. Give the round store, or the folder of a run that holds 'rounds'."
        )
    for place in (path, posixpath.join(path, "rounds")):
        store = Store(place)
        if begun(store):
            return store
    raise StoreError(
        f"{path} holds no rounds, neither itself nor in a folder 'rounds'. Give the dirpath of the callback or the "
        "default_root_dir of the run; if that is it, its first round was not due yet."
    )


def find_round(store: Store, round: int | None) -> Version:
    """Return a committed round.

    Args:
        store: The store.
        round: Its number; the last one when left out.

    Raises:
        StoreError: If it is unknown, or not whole yet.
    """
    rounds = store.rounds()
    if not rounds:
        raise StoreError(f"{store.url} has no committed round yet. Run the same command again to finish round 0.")
    if round is None:
        return store.open(rounds[-1])
    if round not in rounds and round in begun(store):
        raise StoreError(f"Round {round} of {store.url} is not finished. Run the same command again; it goes on there.")
    if round not in rounds:
        raise StoreError(f"{store.url} has no round {round}. Choose one of {rounds[0]} to {rounds[-1]}.")
    return store.open(round)


def rows_served(store: Store, version: Version) -> int:
    """Return how many rows a round serves, which are an earlier round's where it is empty."""
    served = version.manifest.serves
    return 0 if served is None else store.open(served).manifest.rows
