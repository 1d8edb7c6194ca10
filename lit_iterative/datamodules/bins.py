"""Bins: the rows of an optimiser's step, shared out among micro-batches of about as many tokens each.

A step takes the same rows as without bins, and its loss is the same mean over them. Only which of them are in memory
at a time differs: as many micro-batches are made of a step as keep the largest of them within a number of tokens.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from lit_iterative.columns import Array
from lit_iterative.datamodules.mixing import Rows, RowSampler, check_rebuildable, shuffles
from lit_iterative.errors import DataError
from lit_iterative.pool import loader_options


def micro_batches(sizes: Array, step: int, replicas: int, most: int) -> int:
    """Return how many micro-batches of a step each rank needs, whichever rows come together in a step.

    No bin of :func:`shared_out` is larger than the mean of all bins plus the largest row's size times one less a bin's
    share, ``1 - 1 / bins`` (Graham, 1966, Bell System Technical Journal 45(9), on scheduling by a list).

    Args:
        sizes: Tokens of every row.
        step: Rows of a step on all ranks.
        replicas: Number of ranks.
        most: Tokens of a micro-batch at most.

    Raises:
        DataError: If a single row has more.

    Example:
        >>> micro_batches(np.array([100, 50, 50, 20, 20, 20]), step=4, replicas=1, most=200)
        2
    """
    largest = np.sort(sizes)[::-1][:step]
    if largest[0] > most:
        raise DataError(
            f"A row has {largest[0]} tokens, and a micro-batch may have {most}. Raise Mixing(max_tokens), or make "
            "shorter prompts and completions."
        )
    alone = max(1, step // replicas)
    bins = np.arange(1, alone + 1) * replicas
    fits = largest.sum() / bins + largest[0] * (1 - 1 / bins) <= most
    return int(fits.argmax()) + 1 if fits.any() else alone


def shared_out(sizes: Array, bins: int) -> list[list[int]]:
    """Return the places of rows in each bin: the largest first, each into the bin that has least so far.

    Example:
        >>> shared_out(np.array([3, 9, 4, 5]), 2)
        [[1, 0], [3, 2]]
    """
    filled, places = np.zeros(bins), [[] for _ in range(bins)]  # type: ignore[var-annotated]
    for place in np.argsort(-sizes, kind="stable").tolist():
        emptiest = int(filled.argmin())
        filled[emptiest] += sizes[place]
        places[emptiest].append(place)
    return places


class Bin(NamedTuple):
    """Rows that are in memory at a time, and what the sum of their losses is divided by."""

    rows: list[int]
    total: float


class Binned(Dataset[Any]):
    """Rows, a bin at a time."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, bin: Bin) -> tuple[list[Any], float]:
        return [self.rows[row] for row in bin.rows], bin.total


class CollateBin:
    """Collates the rows of a bin into a batch.

    Args:
        collate: Makes a batch of rows.
    """

    def __init__(self, collate: Any) -> None:
        self._collate = collate

    def __call__(self, bin: tuple[list[Any], float]) -> Any:
        """Return the batch, whose loss is a share of that of its step."""
        rows, total = bin
        batch = self._collate(rows)
        batch.total = total
        return batch


class BinSampler(DistributedSampler[Any]):
    """Draws the bins of an epoch, for a rank, from the order in which a sampler draws its rows.

    Args:
        sampler: Draws rows, for all ranks together.
        sizes: Tokens of every row.
        batch: Rows that a micro-batch is meant to have, on each rank.
        accumulate: Micro-batches that a step is meant to have, on each rank.
        parts: Those that it has.
        replicas: Number of ranks.
        rank: This rank.
    """

    def __init__(
        self, sampler: RowSampler, sizes: Array, batch: int, accumulate: int, parts: int, replicas: int, rank: int
    ) -> None:
        super().__init__(sampler.rows, num_replicas=replicas, rank=rank, seed=sampler.seed)
        self._sampler, self._sizes, self._parts = sampler, sizes, parts
        self._batch, self._accumulate = batch * replicas, accumulate
        self._step = self._batch * accumulate
        self._wanted = -(-len(sampler) // replicas) * replicas

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes."""
        super().set_epoch(epoch)
        self._sampler.set_epoch(epoch)

    def __len__(self) -> int:
        steps, rest = divmod(self._wanted, self._step)
        return steps * self._parts + self._bins(rest)

    def _bins(self, rows: int) -> int:
        """Return into how many bins of a rank so many rows go, such that each has one."""
        return min(self._parts, rows // self.num_replicas)

    def _total(self, rows: int) -> float:
        """Return what losses are divided by in a step of so many rows; the last one may have fewer.

        Without bins, such a step has fewer micro-batches, whose means are divided by the number in a whole one.
        """
        meant = -(-rows // self._batch)
        return rows * self._accumulate / (self.num_replicas * meant * self._parts)

    def __iter__(self) -> Iterator[Any]:
        order = np.resize(np.fromiter(self._sampler, np.int64), self._wanted)
        for start in range(0, self._wanted, self._step):
            rows = order[start : start + self._step]
            bins = shared_out(self._sizes[rows], self._bins(len(rows)) * self.num_replicas)
            total = self._total(len(rows))
            yield from (Bin(rows[bin].tolist(), total) for bin in bins[self.rank :: self.num_replicas])


def binned_loader(
    loader: DataLoader[Any], rows: Rows, seed: int, replicas: int, rank: int, accumulate: int
) -> tuple[DataLoader[Any], int]:
    """Return a loader over rows in bins, and the number of its batches that make a step.

    Args:
        loader: Says how large a batch is meant to be, and all else.
        rows: The data, whose mixing says how many tokens a batch may have.
        seed: Seed of the order.
        replicas: Number of ranks.
        rank: This rank.
        accumulate: Batches that a step is meant to have on each rank.

    Raises:
        DataError: If a row has more tokens than a batch may have.
        SetupError: If the loader cannot be rebuilt, or rows do not say how many tokens they have.
    """
    check_rebuildable(loader)
    sizes, batch = rows.tokens, loader.batch_size or 1
    parts = micro_batches(sizes, batch * accumulate * replicas, replicas, rows.mixing.max_tokens or 0)
    drawn = RowSampler(rows, shuffles(loader), seed, 1, 0, batch)
    sampler = BinSampler(drawn, sizes, batch, accumulate, parts, replicas, rank)
    options = {**loader_options(loader), "persistent_workers": loader.persistent_workers}
    options["collate_fn"] = CollateBin(loader.collate_fn)
    return DataLoader(Binned(rows), batch_size=None, sampler=sampler, **options), parts
