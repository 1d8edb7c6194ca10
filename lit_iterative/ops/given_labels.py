"""GivenLabels: the labels that inputs of the pool have, for rounds that change them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lit_iterative.columns import keep, read, write
from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op
from lit_iterative.ops.parameters import check_range


@dataclass(frozen=True)
class GivenLabels(Op):
    """Reads the label in every input, as a prediction that is certain; inputs without one are left out.

    A first phase of one round begins with given labels, which may be wrong, and later ones blend predictions into them.

    Args:
        place: Where the label stands in an input: an index, or a key.
        classes: How many there are.

    Provides ``probs`` ``(rows, classes)``: 1 for the label, 0 for others. Counts ``not_given``.

    Raises:
        PipelineError: If there are fewer than two classes.
        DataError: If an input has no such place, or a label is no class, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> from lit_iterative.pool import Pool
        >>> pool = Pool([("a", 1), ("b", None)], 1)
        >>> show(GivenLabels(classes=2)(example(id=[0, 1]), Context(pool)), "probs")
        [[0.0, 1.0]]
    """

    place: int | str = 1
    classes: int = 2

    def __post_init__(self) -> None:
        check_range("GivenLabels(classes)", self.classes, 2)

    @property
    def provides(self) -> tuple[str, ...]:
        """The labels, as predictions."""
        return ("probs",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows that have a label."""
        dataset: Any = context.pool.dataset
        labels = [self._label(dataset[place]) for place in context.pool.positions(read(table, "id")).tolist()]
        known = np.array([label is not None for label in labels], dtype=bool)
        context.tally.count("not_given", int((~known).sum()))
        given = np.array([label for label in labels if label is not None], dtype=np.int64)
        return write(keep(table, known), probs=np.eye(self.classes, dtype=np.float32)[given])

    def _label(self, item: Any) -> int | None:
        if not self._is_in(item):
            raise DataError(
                f"An input ({type(item).__name__}) has no label at {self.place!r}. Name where it stands: "
                "GivenLabels(place=...)."
            )
        label = item[self.place]
        if label is not None and not 0 <= int(label) < self.classes:
            raise DataError(f"An input has the label {label!r}, but there are {self.classes} classes, from 0.")
        return None if label is None else int(label)

    def _is_in(self, item: Any) -> bool:
        if isinstance(item, Mapping):
            return self.place in item
        return isinstance(item, list | tuple) and isinstance(self.place, int) and 0 <= self.place < len(item)
