"""The pool: the inputs that a round works on, each with a stable id."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from lit_iterative.columns import Array, look_up
from lit_iterative.errors import DataError


@dataclass(frozen=True)
class Pool:
    """Unlabelled inputs with ids, and how to load them.

    Args:
        dataset: A map-style dataset; ``dataset[i]`` is the input at position ``i``.
        batch_size: Rows in one forward pass.
        ids: Unique ids (integers or strings), one for each item; positions when left out. Give ids when
            the pool grows or changes its order between rounds.
        truth: Hidden labels, used for diagnostics only; no op ever sees them.
        loader_options: Further arguments of the ``DataLoader``, such as ``collate_fn`` or ``num_workers``.

    Raises:
        DataError: If the pool is empty, or ids or truth do not fit.

    Example:
        >>> pool = Pool(dataset=[10.0, 20.0], batch_size=2, ids=["a", "b"])
        >>> pool.positions(np.array(["b"]))
        array([1])
    """

    dataset: Dataset[Any] | Sequence[Any]
    batch_size: int
    ids: Any = None
    truth: Any = None
    loader_options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not hasattr(self.dataset, "__len__") or not hasattr(self.dataset, "__getitem__"):
            raise DataError(
                f"The pool's dataset ({type(self.dataset).__name__}) has no length or cannot be indexed. "
                "Rounds need a map-style dataset: give it __len__ and __getitem__."
            )
        size = len(self.dataset)
        if size == 0:
            raise DataError("The pool has no unlabelled data. Return a dataset with at least one item from pool().")
        for name, values in (("ids", self.ids), ("truth", self.truth)):
            if values is not None and len(values) != size:
                raise DataError(f"The pool has {size} items but {len(values)} {name}. Give one for each item.")
        if self.ids is not None:
            self._check_unique()

    def _check_unique(self) -> None:
        ids = np.asarray(self.ids)
        values, counts = np.unique(ids, return_counts=True)
        if len(values) != len(ids):
            twice = values[counts > 1][:3].tolist()
            raise DataError(
                f"The pool's ids are not unique: {len(ids) - len(values)} repeated, for example {twice}. "
                "Give every item its own id, for example its position or a hash of its content."
            )

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]  # checked in __post_init__

    @cached_property
    def keys(self) -> Array:
        """The id of each item, shape ``(len(self),)``."""
        return np.arange(len(self)) if self.ids is None else np.asarray(self.ids)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the ids; it changes when items come, go or move."""
        return sha256("\n".join(map(str, self.keys.tolist())).encode()).hexdigest()[:16]

    def positions(self, ids: Array) -> Array:
        """Return where the items with these ids stand in the dataset.

        Raises:
            DataError: If an id is not in the pool.
        """
        if self.ids is None and len(ids) and np.min(ids) >= 0 and np.max(ids) < len(self):
            return np.asarray(ids, dtype=np.int64)
        index, found = look_up(np.asarray(ids), self.keys)
        if not found.all():
            lost = np.asarray(ids)[~found]
            raise DataError(
                f"{len(lost)} ids are not in the pool, for example {lost[:3].tolist()}. Was the pool changed "
                "since the round was made? Keep the ids of old items when it grows."
            )
        return index

    def loader(self, batches: Sequence[Sequence[int]]) -> DataLoader[Any]:
        """Return a loader that serves exactly these batches of positions, in this order."""
        options: dict[str, Any] = {**self.loader_options, "persistent_workers": False}
        return DataLoader(self.dataset, batch_sampler=batches, **options)  # type: ignore[arg-type]


LOADER_OPTIONS = (
    "num_workers",
    "collate_fn",
    "pin_memory",
    "timeout",
    "worker_init_fn",
    "multiprocessing_context",
    "prefetch_factor",
)


def loader_options(loader: DataLoader[Any]) -> dict[str, Any]:
    """Return the arguments of a loader that say how it loads, not what."""
    return {name: getattr(loader, name) for name in LOADER_OPTIONS}


def pool_of(loader: DataLoader[Any], ids: Any = None, truth: Any = None) -> Pool:
    """Make a pool from a loader: its dataset, batch size and worker settings; its order does not matter."""
    if loader.batch_size is None:
        raise DataError(
            "The pool's DataLoader has its own batch sampler, so its batch size is unknown. Return a "
            "lit_iterative.pool.Pool(dataset, batch_size=...) from pool() instead."
        )
    return Pool(loader.dataset, loader.batch_size, ids, truth, loader_options(loader))
