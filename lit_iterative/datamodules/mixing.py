"""Mixing: how labelled and pseudo-labelled rows make up an epoch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, RandomSampler, SequentialSampler

from lit_iterative.columns import Array
from lit_iterative.errors import DataError, SetupError
from lit_iterative.pool import Pool, loader_options
from lit_iterative.seeds import generator


@dataclass(frozen=True)
class Mixing:
    """How an epoch is made.

    Args:
        mode: ``concat`` trains on labelled and pseudo-labelled rows together, ``replace`` on the latter
            alone, ``paired`` gives batches ``{"labelled": ..., "pseudo": ...}``.
        weighting: What becomes of the rows' weights: ``ignore`` them, put one into every ``item`` as its last
            part (or under the key ``weight``), or ``sample`` rows in proportion to them.
        gold_share: Share of labelled rows in an epoch, between 0 and 1; as many as there are when left out.
        rows_per_epoch: Rows in an epoch, whatever the size of the data; once through it when left out.
        label_at: Where the label stands in an item: an index, or a key.

    Raises:
        DataError: If a number makes no sense, or options contradict each other.
    """

    mode: Literal["concat", "replace", "paired"] = "concat"
    weighting: Literal["ignore", "item", "sample"] = "ignore"
    gold_share: float | None = None
    rows_per_epoch: int | None = None
    label_at: int | str = 1

    def __post_init__(self) -> None:
        if self.gold_share is not None and not 0 < self.gold_share < 1:
            raise DataError(f"gold_share is {self.gold_share}; it must lie between 0 and 1.")
        if self.gold_share is not None and (self.mode != "concat" or self.weighting == "sample"):
            raise DataError("gold_share needs mode: concat and weights that are not sampled by. Leave out one of them.")
        if self.rows_per_epoch is not None and self.rows_per_epoch < 1:
            raise DataError(f"rows_per_epoch is {self.rows_per_epoch}; it must be at least 1.")

    @property
    def leaves_labelled_data_alone(self) -> bool:
        """Whether labelled data on its own needs no change."""
        return self.weighting != "item" and self.rows_per_epoch is None


class Rows(Dataset[Any]):
    """Labelled rows, then pseudo-labelled ones, alike in form.

    Args:
        gold: The labelled data, or none.
        pool: The inputs of the pseudo-labelled rows.
        ids: Their ids, shape ``(rows,)``.
        labels: Their labels, shape ``(rows,)`` for classes or ``(rows, classes)`` for soft labels.
        weights: Their weights, shape ``(rows,)``.
        mixing: How items are made.
        relabel: Returns an item with another label.
    """

    def __init__(
        self,
        gold: Any,
        pool: Pool | None,
        ids: Array,
        labels: Array,
        weights: Array,
        mixing: Mixing,
        relabel: Callable[[Any, Any], Any],
    ) -> None:
        self.gold = gold
        self.golds = 0 if gold is None else len(gold)
        self.pool = pool
        self.positions = pool.positions(ids) if pool is not None else ids
        self.labels = labels
        self.weights = weights
        self.mixing = mixing
        self.relabel = relabel
        self._like = self.label_of(gold[0]) if self.golds else 0

    def __len__(self) -> int:
        return self.golds + len(self.positions)

    def __getitem__(self, index: int) -> Any:
        if index < self.golds:
            item, weight = self._soften(self.gold[index]), 1.0
        else:
            row = index - self.golds
            source: Any = self.pool.dataset[int(self.positions[row])] if self.pool is not None else None
            item, weight = self.relabel(source, self._typed(self.labels[row])), float(self.weights[row])
        return item if self.mixing.weighting != "item" else self._weighted(item, weight)

    @property
    def row_weights(self) -> Array:
        """The weight of every row, 1 for labelled ones."""
        return np.concatenate([np.ones(self.golds), self.weights])

    def label_of(self, item: Any) -> Any:
        """Return the label in an item."""
        try:
            return item[self.mixing.label_at]
        except (IndexError, KeyError, TypeError) as error:
            raise DataError(
                f"A labelled item ({type(item).__name__}) has no label at {self.mixing.label_at!r}. Set "
                "Mixing(label_at=...) to where it stands."
            ) from error

    def _soften(self, item: Any) -> Any:
        """Turn the class of a labelled item into a distribution where pseudo-labels are soft."""
        if self.labels.ndim == 1:
            return item
        label, classes = self.label_of(item), self.labels.shape[1]
        if not isinstance(label, int | np.integer | torch.Tensor) or not 0 <= int(label) < classes:
            raise DataError(
                f"A labelled item has the label {label!r}, but the model predicts the classes 0 to {classes - 1}."
            )
        return self.relabel(item, torch.nn.functional.one_hot(torch.as_tensor(int(label)), classes).float())

    def _typed(self, label: Any) -> Any:
        """Give a pseudo-label the type that labels have in the labelled data, so that they collate."""
        if np.ndim(label):
            return torch.from_numpy(np.array(label))
        if isinstance(self._like, torch.Tensor):
            return torch.tensor(label, dtype=self._like.dtype)
        return label if isinstance(self._like, np.generic) else label.item()

    @staticmethod
    def _weighted(item: Any, weight: float) -> Any:
        if isinstance(item, dict):
            return {**item, "weight": torch.tensor(weight)}
        return (*item, torch.tensor(weight))


def relabel_at(place: int | str) -> Callable[[Any, Any], Any]:
    """Return a function that puts a label into an item; an item without a label becomes a pair.

    Example:
        >>> relabel_at(1)(("x", 0), 7), relabel_at(1)("x", 7), relabel_at("y")({"x": 1}, 7)
        (('x', 7), ('x', 7), {'x': 1, 'y': 7})
    """
    return _Relabel(place)


@dataclass(frozen=True)
class _Relabel:  # a class and not a closure, so that workers can be given it
    place: int | str

    def __call__(self, item: Any, label: Any) -> Any:
        if isinstance(item, dict):
            return {**item, self.place: label}
        if isinstance(item, list | tuple) and isinstance(self.place, int):
            parts = [*item, None] if len(item) == self.place else list(item)
            parts[self.place] = label
            return tuple(parts)
        return (item, label)


class RowSampler(DistributedSampler[Any]):
    """Draws the rows of an epoch from (seed, epoch) alone, and gives each rank its part.

    Args:
        rows: The data.
        shuffle: Whether the order is random.
        seed: Seed of the draws.
        replicas: Number of ranks.
        rank: This rank.
    """

    def __init__(self, rows: Rows, shuffle: bool, seed: int, replicas: int, rank: int) -> None:
        super().__init__(rows, num_replicas=replicas, rank=rank, shuffle=shuffle, seed=seed)
        self.rows = rows
        mixing = rows.mixing
        self.golds = rows.golds
        wanted = mixing.rows_per_epoch or len(rows)
        if mixing.gold_share and 0 < self.golds < len(rows):
            pseudo = len(rows) - self.golds
            wanted = mixing.rows_per_epoch or round(pseudo / (1 - mixing.gold_share))
        self.wanted = max(1, wanted)
        self.num_samples = -(-self.wanted // replicas)
        self.total_size = self.num_samples * replicas

    def __iter__(self) -> Iterator[int]:
        order = self._order(generator(self.seed, "epoch", self.epoch))
        padded = np.resize(order, self.total_size)
        return iter(padded[self.rank :: self.num_replicas].tolist())

    def _order(self, draw: np.random.Generator) -> Array:
        size, mixing = len(self.rows), self.rows.mixing
        if mixing.weighting == "sample":
            weights = self.rows.row_weights
            return draw.choice(size, self.wanted, p=weights / weights.sum())
        if mixing.gold_share and 0 < self.golds < size:
            gold = round(self.wanted * mixing.gold_share)
            parts = [self._pass(0, self.golds, gold, draw), self._pass(self.golds, size, self.wanted - gold, draw)]
            order = np.concatenate(parts)
            return draw.permutation(order) if self.shuffle else order
        return self._pass(0, size, self.wanted, draw)

    def _pass(self, start: int, end: int, wanted: int, draw: np.random.Generator) -> Array:
        """Return rows of a span, each one once before any comes again."""
        passes = max(1, -(-wanted // (end - start)))  # one for none wanted, of which nothing is taken
        span = np.arange(start, end)
        orders = [draw.permutation(span) if self.shuffle else span for _ in range(passes)]
        return np.concatenate(orders)[:wanted]


def loader_like(loader: DataLoader[Any], rows: Rows, seed: int, replicas: int, rank: int) -> DataLoader[Any]:
    """Return a loader over other rows with the settings of the given one.

    A last batch of a single row is dropped, since batch norm cannot train on it; a last batch that is the
    only one is kept.

    Raises:
        SetupError: If the loader's own sampler decides what an epoch is.
    """
    check_rebuildable(loader)
    shuffle = not isinstance(loader.sampler, SequentialSampler)
    sampler = RowSampler(rows, shuffle, seed, replicas, rank)
    size = loader.batch_size or 1
    single = sampler.num_samples % size == 1 and sampler.num_samples > size > 1
    drop_last = (loader.drop_last or single) and sampler.num_samples >= size
    options: dict[str, Any] = {**loader_options(loader), "persistent_workers": loader.persistent_workers}
    return DataLoader(rows, size, sampler=sampler, drop_last=drop_last, **options)


def check_rebuildable(loader: DataLoader[Any]) -> None:
    """Check that :func:`loader_like` knows how to make a loader over other rows from this one.

    Raises:
        SetupError: If its data cannot be indexed, or its own sampler decides what an epoch is.
    """
    known = type(loader.sampler) in (RandomSampler, SequentialSampler) or isinstance(loader.sampler, DistributedSampler)
    if type(loader) is not DataLoader or loader.batch_size is None or not known:
        raise SetupError(
            f"The train loader ({type(loader).__name__} with {type(loader.sampler).__name__}) cannot be rebuilt over "
            "the refreshed data. Use a plain DataLoader(dataset, batch_size=..., shuffle=...), or override "
            "rebuild_train_dataloader(loader, rows) in your DataModule."
        )
