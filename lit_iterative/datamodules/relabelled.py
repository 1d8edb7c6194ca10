"""Relabelled rows: inputs of the pool with the labels that a round gave them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lit_iterative.columns import Array
from lit_iterative.datamodules.mixing import Mixing, Rows
from lit_iterative.errors import DataError
from lit_iterative.pool import Pool


class Relabelled(Rows):
    """Labelled rows, then pseudo-labelled ones, alike in form.

    Args:
        gold: The labelled data, or none.
        pool: The inputs of the pseudo-labelled rows.
        ids: Their ids, shape ``(rows,)``.
        labels: Their labels, shape ``(rows,)`` for classes, ``(rows, classes)`` in floating point for soft labels,
            ``(rows, places)`` in integers for dense ones, or ``(rows,)`` arrays for sequences.
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
        super().__init__(gold, weights, mixing)
        self.pool = pool
        self.positions = pool.positions(ids) if pool is not None else ids
        self.labels = labels
        self.relabel = relabel
        self._like = self.label_of(gold[0]) if self.golds else 0

    def labelled(self, index: int) -> Any:
        """Return a labelled item; with a distribution for a label where pseudo-labels are soft."""
        return self._soften(self.gold[index])

    def made(self, row: int) -> Any:
        """Return an input with its pseudo-label."""
        source: Any = self.pool.dataset[int(self.positions[row])] if self.pool is not None else None
        return self.relabel(source, self._typed(self.labels[row]))

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
        if self.labels.ndim == 1 or self.labels.dtype.kind != "f":  # classes, of rows or of pixels, or sequences
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
