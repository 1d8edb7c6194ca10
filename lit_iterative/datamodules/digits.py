"""The handwritten digits that ship with scikit-learn, few of them labelled."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from lit_iterative.columns import Array
from lit_iterative.datamodules.mixing import Mixing
from lit_iterative.datamodules.refreshable import Refreshable
from lit_iterative.datamodules.split import Split
from lit_iterative.errors import DataError, OptionalDependencyError
from lit_iterative.seeds import generator

CLASSES = 10


class Digits(Split):
    """1,797 images of 8x8 pixels in ten classes (Alpaydin and Kaynak, 1998, UCI Machine Learning Repository).

    A quarter is held out, the same in every run and with the classes in proportion; of the rest a few are labelled and
    all others are the pool, whose labels only diagnostics see. Validation and test both return the held-out part:
    the curve of a run then shows the accuracy that is asked for. Nothing may be chosen by it, so do not
    point early stopping, roll back or schedules at it.

    It is an ordinary DataModule; :class:`DigitsData` is the one that swaps its data.

    Args:
        labels_per_class: Labelled images in each class.
        seed: Seed of the draw of the labelled images.
        batch_size: Images in a batch.
        num_workers: Processes that load.
        augment: Changes the images of a training batch, of shape ``(rows, 1, 8, 8)``; never those that are
            labelled or measured.
        mixing: How labelled and pseudo-labelled rows make up an epoch.
        held_out_seed: Seed of the draw of the held-out images.
        target: Changes the images of the pool and the held-out ones, once: they are of another domain than the labelled
            ones. The same when left out.
        noise: Standard deviation of the Gaussian noise on every pixel of every image, drawn once: what makes them hard.

    Raises:
        OptionalDependencyError: If scikit-learn is missing, in ``setup``.
        DataError: If the noise is negative; if a class has fewer images than are to be labelled, in ``setup``.
    """

    def __init__(
        self,
        labels_per_class: int = 10,
        seed: int = 0,
        batch_size: int = 64,
        num_workers: int = 0,
        augment: Callable[[Any], Any] | None = None,
        mixing: Mixing = Mixing(),  # noqa: B008  # frozen
        held_out_seed: int = 0,
        target: Callable[[Any], Any] | None = None,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        if not noise >= 0:
            raise DataError(f"The digits' noise is {noise}. Give a standard deviation of 0 or more.")
        self.noise = noise
        self.held_out_seed = held_out_seed
        self.labels_per_class = labels_per_class
        self.seed = seed
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.augment = augment
        self.mixing = mixing
        self.target = target

    def setup(self, stage: str | None = None) -> None:
        """Read and split the images; the same split in every stage and on every rank."""
        images, digits = load()
        grain = generator(self.held_out_seed, "digits", "noise").standard_normal(images.shape, dtype=np.float32)
        images += np.float32(self.noise) * grain
        held_out = split(digits, size=0.25, draw=generator(self.held_out_seed, "digits", "held out"))
        rest = np.flatnonzero(~held_out)
        labelled = np.zeros(len(digits), dtype=bool)
        draw = generator(self.seed, "digits", "labelled")
        labelled[rest[pick(digits[rest], self.labels_per_class, draw)]] = True
        pool = ~held_out & ~labelled
        self.labelled = _dataset(images[labelled], digits[labelled])
        far = images if self.target is None else self.target(torch.from_numpy(images)).numpy()
        self.held_out = _dataset(far[held_out], digits[held_out])
        self.unlabelled = _dataset(far[pool])
        self.hidden_labels = digits[pool]

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Change the images of a training batch."""
        if self.augment is None or self.trainer is None or not self.trainer.training:
            return batch
        if isinstance(batch, dict):
            return {name: self._augmented(part) for name, part in batch.items()}
        return self._augmented(batch)

    def _augmented(self, batch: Any) -> Any:
        if batch is None or self.augment is None:
            return batch
        return [self.augment(batch[0]), *batch[1:]]

    def _loader(self, data: Any, shuffle: bool = False) -> DataLoader[Any]:
        size = self.batch_size if shuffle else max(256, self.batch_size)  # no gradients, so room for more
        workers = self.num_workers
        return DataLoader(data, size, shuffle, num_workers=workers, persistent_workers=workers > 0)


class DigitsData(Refreshable, Digits):
    """:class:`Digits` whose training data is swapped by rounds."""

    def pool_truth(self) -> Array:
        """Return the hidden labels of the pool, for diagnostics."""
        return self.hidden_labels


def load() -> tuple[Array, Array]:
    """Return the images ``(1797, 1, 8, 8)``, float32 in [0, 1], and the digits ``(1797,)``, int64.

    Raises:
        OptionalDependencyError: If scikit-learn is missing.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise OptionalDependencyError(
            'The digits come with scikit-learn, which is not installed. Run pip install "lit-iterative[digits]".'
        ) from error
    bunch = load_digits()
    images = (bunch.images / 16).astype(np.float32)[:, None]
    return images, bunch.target.astype(np.int64)


def split(labels: Array, size: float, draw: np.random.Generator) -> Array:
    """Choose a share of every class.

    Args:
        labels: Classes, shape ``(rows,)``.
        size: The share, rounded to whole rows in every class.
        draw: Where the draws come from.

    Returns:
        Whether a row is chosen, shape ``(rows,)``.

    Example:
        >>> int(split(np.array([0, 0, 1, 1]), 0.5, np.random.default_rng(0)).sum())
        2
    """
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        chosen[draw.permutation(rows)[: round(size * len(rows))]] = True
    return chosen


def pick(labels: Array, count: int, draw: np.random.Generator) -> Array:
    """Return the positions of ``count`` rows of every class.

    Raises:
        DataError: If a class has no more rows than that.

    Example:
        >>> sorted(pick(np.array([5, 5, 7, 7, 7]), 1, np.random.default_rng(0)).tolist())
        [0, 4]
    """
    classes, rows = np.unique(labels, return_counts=True)
    if not 1 <= count < rows.min():
        raise DataError(
            f"labels_per_class is {count}; give 1 to {rows.min() - 1}, since the smallest class has {rows.min()} "
            "images and the pool needs some of them."
        )
    return np.concatenate([draw.permutation(np.flatnonzero(labels == label))[:count] for label in classes])


def _dataset(*arrays: Array) -> TensorDataset:
    return TensorDataset(*(torch.from_numpy(array) for array in arrays))
