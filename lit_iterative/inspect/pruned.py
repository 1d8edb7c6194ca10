"""What ``rounds prune`` has left a note of."""

from lit_iterative.errors import StoreError
from lit_iterative.rounds.files import Files
from lit_iterative.rounds.layout import folder
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.version import Version

NOTE = "pruned.json"


def pruned_files(files: Files, base: str) -> frozenset[str]:
    """Return the names, below a round's folder, of the files that were pruned."""
    note = f"{base}/{NOTE}"
    return frozenset(files.read_json(note)["files"]) if files.exists(note) else frozenset()


def is_pruned(store: Store, version: Version) -> bool:
    """Tell whether the rows that a round serves were pruned."""
    served = version.manifest.serves
    if served is None:
        return False
    return any(name.endswith(".parquet") for name in pruned_files(store.files, folder(served)))


def check_rows(store: Store, version: Version) -> None:
    """Refuse a round whose rows were pruned.

    Raises:
        StoreError: If they were.
    """
    if is_pruned(store, version):
        raise StoreError(
            f"The rows of round {version.manifest.serves} were pruned; what was measured on them is still shown by "
            "'rounds show' and 'report'. Choose a later round."
        )
