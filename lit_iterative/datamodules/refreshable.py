"""Refreshable: the mixin that lets anyone's DataModule swap its data between epochs."""

from collections.abc import Callable
from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch.utils.data import DataLoader

from lit_iterative.columns import read
from lit_iterative.datamodules.bins import binned_loader
from lit_iterative.datamodules.mixing import Mixing, Rows, check_rebuildable, loader_like
from lit_iterative.datamodules.relabelled import Relabelled, relabel_at
from lit_iterative.errors import DataError, SetupError
from lit_iterative.pool import Pool, pool_of
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.version import Version
from lit_iterative.seeds import derive_seed

STATE = "lit_iterative"


class Refreshable(pl.LightningDataModule):
    """Put it in front of your DataModule: ``class MyData(Refreshable, MyDataModule): ...``.

    Your ``train_dataloader`` goes on to return the labelled data; your ``predict_dataloader`` says which
    inputs are to be labelled. Between rounds the train loader is built again over what the last round
    made, with your batch size, workers and collate function.

    Class attributes:
        mixing: How labelled and pseudo-labelled rows make up an epoch.
    """

    mixing: Mixing = Mixing()
    _version: Version | None = None
    _store: Store | None = None
    _seed: int = 0
    _accumulates: int | None = None

    # ---- what you may override ------------------------------------------------------------------------

    def pool(self) -> Pool:
        """Return the inputs to label; those of ``predict_dataloader`` unless you define it.

        Raises:
            SetupError: If there is no ``predict_dataloader``.
        """
        own = self._yours("pool")
        if own is not None:
            return cast(Pool, own)
        if not is_overridden("predict_dataloader", self, pl.LightningDataModule):
            raise SetupError(
                f"{type(self).__name__} does not say what is unlabelled. Give it predict_dataloader(), which returns a "
                "DataLoader over the inputs to label, or pool(), which returns a lit_iterative.pool.Pool."
            )
        loader = self.predict_dataloader()
        if not isinstance(loader, DataLoader):
            raise SetupError(
                f"predict_dataloader() returned {type(loader).__name__}; rounds need one DataLoader, or override "
                "pool()."
            )
        return pool_of(loader, self.pool_ids(), self.pool_truth())

    def pool_after(self, previous: Version | None) -> Pool:
        """Return the inputs of the round behind this one; those of :meth:`pool` unless you define it.

        Args:
            previous: The round before, of which a pool may depend that grows; none in front of the first.
        """
        return self.pool()

    def pool_ids(self) -> Any:
        """Return the ids of the inputs; their positions unless you define it."""
        return self._yours("pool_ids")

    def pool_truth(self) -> Any:
        """Return hidden labels of the inputs for diagnostics, -1 where unknown; none unless you define it."""
        return self._yours("pool_truth")

    def _yours(self, name: str) -> Any:
        """Ask the DataModule behind this mixin, which may know nothing of it."""
        method = getattr(super(), name, None)
        return None if method is None else method()

    def relabel(self, item: Any, label: Any) -> Any:
        """Return an item of the pool with a label, in the form of a labelled item."""
        method = getattr(super(), "relabel", relabel_at(self.mixing.label_at))
        return method(item, label)

    def rows(self, gold: Any, version: Version | None) -> Rows:
        """Return labelled rows and those of a round; inputs of the pool with their labels unless you define it.

        Args:
            gold: The labelled data, or none.
            version: The round, or none.
        """
        if version is None:
            empty = np.zeros(0, dtype=np.int64)
            return Relabelled(gold, None, empty, empty, empty.astype(float), self.mixing, self.relabel)
        table = version.table(["id", "label", "weight"])
        ids, labels, weights = (read(table, name) for name in ("id", "label", "weight"))
        return Relabelled(gold, self.pool(), ids, labels, weights, self.mixing, self._relabels())

    def rebuild_train_dataloader(self, loader: DataLoader[Any], rows: Rows) -> DataLoader[Any]:
        """Return a loader over ``rows`` with the settings of your own train loader."""
        trainer = self.trainer
        replicas, rank = (trainer.world_size, trainer.global_rank) if trainer is not None else (1, 0)
        seed = derive_seed(self._seed, "rows", -1 if self._version is None else self._version.round)
        if rows.mixing.max_tokens is None:
            return loader_like(loader, rows, seed, replicas, rank)
        made, parts = binned_loader(loader, rows, seed, replicas, rank, self._accumulated())
        if trainer is not None:
            trainer.accumulate_grad_batches = parts
        return made

    def _accumulated(self) -> int:
        """Return how many batches the user's trainer accumulates, as it said before bins were made.

        Raises:
            SetupError: If that changes by itself.
        """
        if self.trainer is None:
            return 1
        callbacks: list[pl.Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        if any(isinstance(callback, GradientAccumulationScheduler) for callback in callbacks):
            raise SetupError(
                "Mixing(max_tokens=...) and GradientAccumulationScheduler both say how many batches make a step. "
                "Leave out one of them."
            )
        if self._accumulates is None:
            self._accumulates = self.trainer.accumulate_grad_batches
        return self._accumulates

    def teardown(self, stage: str) -> None:
        """Give the trainer back what it was told to accumulate."""
        super().teardown(stage)
        if self._accumulates is not None and self.trainer is not None:
            self.trainer.accumulate_grad_batches, self._accumulates = self._accumulates, None

    # ---- what the callback calls ----------------------------------------------------------------------

    def attach(self, store: Store, seed: int) -> None:
        """Say where the rounds of a fit are, and the seed of the order of rows; none is served yet."""
        self._store, self._seed, self._version = store, seed, None

    def serve(self, version: Version | None) -> None:
        """Serve the rows of a round from the next time the train loader is asked for.

        A round that serves no rows, because all rounds so far were empty, changes nothing.
        """
        serves = version is not None and version.manifest.serves is not None
        self._version = version if serves else None

    @property
    def fixed_length(self) -> bool:
        """Whether every epoch has the same number of rows, whatever the rounds make."""
        return self.mixing.rows_per_epoch is not None

    # ---- Lightning's hooks ----------------------------------------------------------------------------

    def train_dataloader(self) -> Any:
        """Return the loader over labelled and pseudo-labelled rows, as :class:`Mixing` says."""
        loader = super().train_dataloader()
        left_alone = self._version is None and self.mixing.leaves_labelled_data_alone
        if self._store is not None or not left_alone:  # refused before the warm-up, not after it
            loader = self._one_loader(loader)
        if left_alone:
            return {"labelled": loader} if self.mixing.mode == "paired" else loader
        if self.mixing.mode == "paired":
            pseudo = self._mixed(None, self._version)
            paired = {"labelled": self._checked(loader, self._mixed(loader.dataset, None))}
            return {**paired, "pseudo": self.rebuild_train_dataloader(loader, pseudo)} if len(pseudo) else paired
        keep_gold = self.mixing.mode in ("concat", "in_turn") or self._version is None
        return self._checked(loader, self._mixed(loader.dataset if keep_gold else None, self._version))

    def _mixed(self, gold: Any, version: Version | None) -> Rows:
        rows = self.rows(gold, version)
        if version is not None:
            rows.mixing = rows.mixing.at(version)
        return rows

    def _one_loader(self, loader: Any) -> DataLoader[Any]:
        if not isinstance(loader, DataLoader):
            raise SetupError(
                f"train_dataloader() of {type(self).__name__} returned {type(loader).__name__}; rounds need one "
                "DataLoader over the labelled data. With several loaders, return one here and use "
                "Mixing(mode='paired')."
            )
        if type(self).rebuild_train_dataloader is Refreshable.rebuild_train_dataloader:
            check_rebuildable(loader)
        return loader

    def _checked(self, loader: DataLoader[Any], rows: Rows) -> DataLoader[Any]:
        if len(rows) == 0:
            raise DataError(
                "There is nothing to train on: no labelled rows, and no round with data yet. Return labelled data "
                "from train_dataloader(), or lower the threshold of the first round."
            )
        return self.rebuild_train_dataloader(loader, rows)

    def _relabels(self) -> Callable[[Any, Any], Any]:
        """Return :meth:`relabel`; without this DataModule, which workers would be sent, where nobody defines it."""
        own = type(self).relabel is not Refreshable.relabel or hasattr(super(), "relabel")
        return self.relabel if own else relabel_at(self.mixing.label_at)

    def state_dict(self) -> dict[str, Any]:
        """Return your state, and the round that is served."""
        own = super().state_dict()
        return {**own, STATE: {"round": None if self._version is None else self._version.round}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore your state, and the round that was served."""
        own = {key: value for key, value in state_dict.items() if key != STATE}
        super().load_state_dict(own)
        round = state_dict.get(STATE, {}).get("round")
        if round is None or self._store is None:
            self.serve(None)
        else:
            self.serve(self._store.open(round))

    # ---- wrapping what is there -----------------------------------------------------------------------

    @staticmethod
    def wrap(datamodule: pl.LightningDataModule, mixing: Mixing | None = None) -> "Refreshable":
        """Return a refreshable DataModule that is the given one in all else, and shares its attributes."""
        if isinstance(datamodule, Refreshable):
            made: Refreshable = datamodule
        else:
            made = _wrapped(type(datamodule))
            made.__dict__ = datamodule.__dict__
        if mixing is not None:
            made.mixing = mixing
        return made

    @staticmethod
    def from_loaders(train: Any, pool: DataLoader[Any], val: Any = None, mixing: Mixing | None = None) -> "Refreshable":
        """Make a refreshable DataModule from loaders.

        Args:
            train: Loader over the labelled data.
            pool: Loader over the inputs to label.
            val: Loader, or loaders, for validation.
            mixing: How rows make up an epoch.
        """
        return Refreshable.wrap(_Loaders(train, pool, val), mixing)


def _wrapped(kind: type[pl.LightningDataModule]) -> Refreshable:
    """Return a DataModule without attributes whose class is refreshable and the given one."""
    made: type[Refreshable] = type(f"Refreshable{kind.__name__}", (Refreshable, kind), {"__reduce__": _reduce})
    return made.__new__(made)


def _reduce(self: Refreshable) -> Any:
    """Tell pickle how to make the class again, which workers and spawned ranks do not find by its name."""
    return _wrapped, (type(self).__mro__[2],), self.__dict__


class _Loaders(pl.LightningDataModule):
    def __init__(self, train: Any, pool: Any, val: Any) -> None:
        super().__init__()
        self._train, self._pool, self._val = train, pool, val

    def train_dataloader(self) -> Any:
        return self._train

    def val_dataloader(self) -> Any:
        return self._val if self._val is not None else []

    def predict_dataloader(self) -> Any:
        return self._pool
