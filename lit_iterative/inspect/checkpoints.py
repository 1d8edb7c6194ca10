"""Which rounds the checkpoints of a run name."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from pickle import PickleError  # what torch raises; nothing is unpickled but tensors and primitives

import fsspec

from lit_iterative.errors import StoreError
from lit_iterative.rounds.store import Store

STATE = "lit_iterative_rounds"


def named_rounds(store: Store, places: Sequence[str] = ()) -> dict[str, int]:
    """Return the path of every checkpoint of a run and how many rounds it had made.

    Args:
        store: The store; its own checkpoints, and those in the folder of the run, are found by themselves.
        places: More folders to look in.

    Raises:
        StoreError: If a checkpoint cannot be read.
    """
    named: dict[str, int] = {}
    for place in (run_folder(store), *places):
        for path, url in _checkpoints(place):
            if not re.search(r"/superseded/", path):
                made = _rounds_made(url)
                if made is not None:
                    named[path] = made
    return named


def run_folder(store: Store) -> str:
    """Return the folder of the run that a store belongs to: the one around it, where it has the usual name."""
    url = store.url.rstrip("/")
    return posixpath.dirname(url) or "." if posixpath.basename(url) == "rounds" else url


def _checkpoints(place: str) -> Iterator[tuple[str, str]]:
    fs, root = fsspec.core.url_to_fs(place)
    for path in sorted(fs.find(root)):
        if path.endswith(".ckpt"):
            yield path, fs.unstrip_protocol(path)


def _rounds_made(url: str) -> int | None:
    """Return how many rounds a checkpoint has behind it; none where it is not one of a run with rounds."""
    import torch

    try:
        with fsspec.open(url, "rb") as file:
            checkpoint = torch.load(file, map_location="meta", weights_only=True)
    except (RuntimeError, ValueError, EOFError, LookupError, OSError, ImportError, PickleError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise StoreError(
            f"The checkpoint {url} cannot be read ({reason}), so that it is not known which rounds it names. Move "
            "it out of the folder of the run, or delete it, and run the same command again."
        ) from error
    state = checkpoint.get(STATE) if isinstance(checkpoint, dict) else None
    return None if state is None else int(state["rounds"])
