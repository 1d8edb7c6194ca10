"""Mixing: how labelled and pseudo-labelled rows make up an epoch."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, RandomSampler, SequentialSampler

from lit_iterative.columns import Array
from lit_iterative.errors import DataError, SetupError
from lit_iterative.ops.op import waits
from lit_iterative.ops.schedule import Schedule
from lit_iterative.pool import loader_options
from lit_iterative.rounds.version import Version
from lit_iterative.seeds import generator


@dataclass(frozen=True)
class Mixing:
    """How an epoch is made.

    Args:
        mode: ``concat`` trains on labelled and pseudo-labelled rows together, ``replace`` on the latter
            alone, ``paired`` gives batches ``{"labelled": ..., "pseudo": ...}``. ``in_turn`` trains in every epoch on
            pseudo-labelled rows alone first, and then on labelled ones alone, each filled up to whole batches: in a
            round of one epoch, pre-training and then fine-tuning.
        weighting: What becomes of the rows' weights: ``ignore`` them, put one into every ``item`` as its last
            part (or under the key ``weight``), or ``sample`` rows in proportion to them.
        gold_share: Share of labelled rows in an epoch, between 0 and 1, or a schedule of it by the rounds; as many as
            there are when left out.
        rows_per_epoch: Rows in an epoch, whatever the size of the data; once through it when left out.
        label_at: Where the label stands in an item: an index, or a key.
        together: Whether rows of one prompt stand behind each other in an epoch. A batch then has fewer prompts, each
            of which is read once for all of its completions.
        max_tokens: Tokens of a micro-batch at most: the rows of an optimiser's step are shared out among as many
            micro-batches as that takes, of about as many tokens each. ``batch_size`` times ``accumulate_grad_batches``
            goes on to say how many rows a step has, and what is accumulated is set anew for every round.

    Raises:
        DataError: If a number makes no sense, or options contradict each other.
    """

    mode: Literal["concat", "replace", "paired", "in_turn"] = "concat"
    weighting: Literal["ignore", "item", "sample"] = "ignore"
    gold_share: float | Schedule | None = None
    rows_per_epoch: int | None = None
    label_at: int | str = 1
    together: bool = False
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.gold_share, int | float) and not 0 < self.gold_share < 1:
            raise DataError(f"gold_share is {self.gold_share}; it must lie between 0 and 1.")
        both = self.mode in ("concat", "in_turn")
        if waits(self.gold_share):
            raise DataError("gold_share is no parameter of an op and knows no SameRound. Give the schedule inside it.")
        if self.gold_share is not None and (not both or self.weighting == "sample"):
            raise DataError(
                "gold_share needs mode: concat or in_turn, and weights that are not sampled by. Leave out one of them."
            )
        if self.mode == "in_turn" and self.weighting == "sample":
            raise DataError("Rows that are sampled by their weights come in no turn. Choose another mode or weighting.")
        if self.rows_per_epoch is not None and self.rows_per_epoch < 1:
            raise DataError(f"rows_per_epoch is {self.rows_per_epoch}; it must be at least 1.")
        if self.max_tokens is not None and (self.together or self.mode == "paired" or self.max_tokens < 1):
            raise DataError(
                f"max_tokens is {self.max_tokens}; it must be at least 1, and rows that are shared out by their tokens "
                "can neither stay together nor come in two batches at a time. Leave out together or mode: paired."
            )

    def at(self, version: Version) -> "Mixing":
        """Return how an epoch over a round is made: with the share that a schedule gives there.

        Raises:
            DataError: If that is not between 0 and 1.
        """
        if not isinstance(self.gold_share, Schedule):
            return self
        manifest = version.manifest
        known = {**manifest.metrics_before, **manifest.verdict.known_factors}
        return replace(self, gold_share=self.gold_share(manifest.round, known))

    @property
    def share(self) -> float | None:
        """The share of labelled rows, where it is known."""
        return None if isinstance(self.gold_share, Schedule) else self.gold_share

    @property
    def leaves_labelled_data_alone(self) -> bool:
        """Whether labelled data on its own needs no change."""
        return self.weighting != "item" and self.rows_per_epoch is None


class Rows(Dataset[Any]):
    """Labelled rows, then those that a round made, alike in form. Subclass it for rows of another kind.

    Args:
        gold: The labelled data, or none.
        weights: Weights of the made rows, shape ``(rows,)``.
        mixing: How items are made.
    """

    #: Whether the network cannot train on a single row, as one with batch norm cannot.
    needs_several: ClassVar[bool] = True

    def __init__(self, gold: Any, weights: Array, mixing: Mixing) -> None:
        self.gold = gold
        self.golds = 0 if gold is None else len(gold)
        self.weights = weights
        self.mixing = mixing

    @property
    def groups(self) -> Array:
        """The group of every row, ``(rows,)``, for ``Mixing(together=True)``; a subclass says.

        Raises:
            SetupError: If it does not.
        """
        raise SetupError(
            "Mixing(together=True) brings rows of one prompt together, but these rows have no prompts. Leave it out."
        )

    @property
    def tokens(self) -> Array:
        """Tokens of every row, ``(rows,)``, for ``Mixing(max_tokens=...)``; a subclass says.

        Raises:
            SetupError: If it does not.
        """
        raise SetupError("Mixing(max_tokens=...) counts tokens, but these rows have none. Leave it out.")

    def labelled(self, index: int) -> Any:
        """Return a labelled item."""
        return self.gold[index]

    def made(self, row: int) -> Any:
        """Return an item that the round made; there is none unless a subclass has some."""
        raise IndexError(row)

    def __len__(self) -> int:
        return self.golds + len(self.weights)

    def __getitem__(self, index: int) -> Any:
        if index < self.golds:
            item, weight = self.labelled(index), 1.0
        else:
            item, weight = self.made(index - self.golds), float(self.weights[index - self.golds])
        return item if self.mixing.weighting != "item" else self._weighted(item, weight)

    @property
    def row_weights(self) -> Array:
        """The weight of every row, 1 for labelled ones."""
        return np.concatenate([np.ones(self.golds), self.weights])

    @staticmethod
    def _weighted(item: Any, weight: float) -> Any:
        if isinstance(item, dict):
            return {**item, "weight": torch.tensor(weight)}
        return (*item, torch.tensor(weight))


class RowSampler(DistributedSampler[Any]):
    """Draws the rows of an epoch from (seed, epoch) alone, and gives each rank its part.

    Args:
        rows: The data.
        shuffle: Whether the order is random.
        seed: Seed of the draws.
        replicas: Number of ranks.
        rank: This rank.
        batch_size: Rows of a rank's batch; only where labelled and other rows come in turn does it matter.
    """

    def __init__(self, rows: Rows, shuffle: bool, seed: int, replicas: int, rank: int, batch_size: int = 1) -> None:
        super().__init__(rows, num_replicas=replicas, rank=rank, shuffle=shuffle, seed=seed)
        self.rows = rows
        mixing = rows.mixing
        self.golds = rows.golds
        wanted = mixing.rows_per_epoch or len(rows)
        if mixing.share and 0 < self.golds < len(rows):
            pseudo = len(rows) - self.golds
            wanted = mixing.rows_per_epoch or round(pseudo / (1 - mixing.share))
        self.wanted = max(1, wanted)
        self._in_turn = mixing.mode == "in_turn" and 0 < self.golds < len(rows)
        if self._in_turn:
            share = mixing.share or self.golds / len(rows)
            gold, step = round(self.wanted * share), batch_size * replicas
            self._turns = [max(1, -(-part // step)) * step for part in (self.wanted - gold, gold)]
            self.wanted = sum(self._turns)
        self.num_samples = -(-self.wanted // replicas)
        self.total_size = self.num_samples * replicas

    def __iter__(self) -> Iterator[int]:
        order = self._order(generator(self.seed, "epoch", self.epoch))
        if self.rows.mixing.together:
            order = together(order, self.rows.groups)
        padded = np.resize(order, self.total_size)
        return iter(padded[self.rank :: self.num_replicas].tolist())

    def _order(self, draw: np.random.Generator) -> Array:
        size, mixing = len(self.rows), self.rows.mixing
        if mixing.weighting == "sample":
            weights = self.rows.row_weights
            return draw.choice(size, self.wanted, p=weights / weights.sum())
        if self._in_turn:
            made, gold = self._turns
            return np.concatenate([self._pass(self.golds, size, made, draw), self._pass(0, self.golds, gold, draw)])
        if mixing.share and 0 < self.golds < size:
            gold = round(self.wanted * mixing.share)
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


def together(order: Array, groups: Array) -> Array:
    """Return an order in which the rows of a group stand behind its first one.

    Example:
        >>> together(np.array([3, 0, 2, 1]), groups=np.array([7, 8, 8, 7])).tolist()
        [3, 0, 2, 1]
        >>> together(np.array([2, 0, 1, 3]), groups=np.array([7, 8, 8, 7])).tolist()
        [2, 1, 0, 3]
    """
    _, first, group = np.unique(groups[order], return_index=True, return_inverse=True)
    return order[np.argsort(first[group], kind="stable")]


def loader_like(loader: DataLoader[Any], rows: Rows, seed: int, replicas: int, rank: int) -> DataLoader[Any]:
    """Return a loader over other rows with the settings of the given one.

    A last batch of a single row is dropped where rows need several; a last batch that is the only one is kept.

    Raises:
        SetupError: If the loader's own sampler decides what an epoch is.
    """
    check_rebuildable(loader)
    size = loader.batch_size or 1
    sampler = RowSampler(rows, shuffles(loader), seed, replicas, rank, size)
    single = rows.needs_several and sampler.num_samples % size == 1 and sampler.num_samples > size > 1
    drop_last = (loader.drop_last or single) and sampler.num_samples >= size
    options: dict[str, Any] = {**loader_options(loader), "persistent_workers": loader.persistent_workers}
    return DataLoader(rows, size, sampler=sampler, drop_last=drop_last, **options)


def shuffles(loader: DataLoader[Any]) -> bool:
    """Tell whether a loader draws rows in random order."""
    return not isinstance(loader.sampler, SequentialSampler)


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
