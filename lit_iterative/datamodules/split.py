"""Split: data in three parts, and their loaders."""

from typing import Any

import lightning.pytorch as pl
from torch.utils.data import DataLoader, Dataset


class Split(pl.LightningDataModule):
    """Serves what ``setup`` sets: ``labelled``, ``unlabelled`` and ``held_out``, in batches of ``batch_size``."""

    labelled: Dataset[Any]
    unlabelled: Dataset[Any]
    held_out: Dataset[Any]
    batch_size: int

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the labelled data."""
        return self._loader(self.labelled, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the held-out data."""
        return self._loader(self.held_out)

    def test_dataloader(self) -> DataLoader[Any]:
        """Return the held-out data."""
        return self._loader(self.held_out)

    def predict_dataloader(self) -> DataLoader[Any]:
        """Return the pool."""
        return self._loader(self.unlabelled)

    def _loader(self, data: Any, shuffle: bool = False) -> DataLoader[Any]:
        return DataLoader(data, self.batch_size, shuffle)
