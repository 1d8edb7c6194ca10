"""Builders of pseudo-labels: what a row is trained towards."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read, write
from lit_iterative.errors import DataError
from lit_iterative.ops.classes import read_probs
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.schedule import Schedule

PREDICTIONS = ("probs", "logits", "members")


@dataclass(frozen=True)
class HardLabels(Op):
    """The most probable class (Lee, 2013, "Pseudo-Label", eq. 2), the first of equals; keeps a weight that is there.

    Args:
        keep_probs: Whether the probabilities stay in the data, for inspection and for merges that need them.

    Requires ``probs`` ``(rows, classes)``; provides ``label`` ``(rows,)`` int64 and ``weight`` ``(rows,)`` float32.

    Raises:
        DataError: If a probability is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> show(HardLabels()(example(probs=[[0.25, 0.75]]), None), "label")
        [1]
    """

    keep_probs: bool = False

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities."""
        return ("probs",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The label and its weight."""
        return ("label", "weight")

    @property
    def consumes(self) -> tuple[str, ...]:
        """All predictions, unless they are kept."""
        return () if self.keep_probs else PREDICTIONS

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with labels and without the probabilities."""
        return _labelled(table, read_probs(table).argmax(axis=1).astype(np.int64), self.consumes)


@dataclass(frozen=True)
class SoftLabels(Op):
    """The probabilities themselves; keeps a weight that is there.

    Args:
        keep_probs: Whether the column ``probs`` stays in the data as well, for merges that need it.

    Requires ``probs`` ``(rows, classes)``; provides ``label`` ``(rows, classes)`` float32 and ``weight``
    ``(rows,)`` float32.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> show(SoftLabels()(example(probs=[[0.25, 0.75]]), None), "label")
        [[0.25, 0.75]]
    """

    keep_probs: bool = False

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities."""
        return ("probs",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The label and its weight."""
        return ("label", "weight")

    @property
    def consumes(self) -> tuple[str, ...]:
        """All predictions, unless they are kept."""
        return () if self.keep_probs else PREDICTIONS

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with labels and without the column of probabilities."""
        return _labelled(table, read(table, "probs").astype(np.float32), self.consumes)


@dataclass(frozen=True)
class Sharpen(Op):
    """Makes predictions more certain: ``p_c^(1/T) / sum_k p_k^(1/T)`` (MixMatch, arXiv:1905.02249, eq. 7).

    The order of classes stays. Scores that were computed before are not computed anew.

    Args:
        temperature: ``T``, above 0: 1 changes nothing, towards 0 all goes to the most probable class.

    Requires and overwrites ``probs`` ``(rows, classes)``, float32.

    Raises:
        PipelineError: If the temperature is not above 0.
        DataError: If the probabilities of a row are all 0, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> show(Sharpen(0.5)(example(probs=[[0.25, 0.75]]), None), "probs")
        [[0.1, 0.9]]
    """

    temperature: float | Schedule = 0.5

    def __post_init__(self) -> None:
        check_range("Sharpen(temperature)", self.temperature, 0, open_low=True)

    @property
    def requires(self) -> tuple[str, ...]:
        """The probabilities."""
        return ("probs",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The sharpened probabilities."""
        return ("probs",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with sharpened probabilities."""
        probs = read(table, "probs").astype(np.float64)
        top = probs.max(axis=1, keepdims=True)
        if (top <= 0).any():
            raise DataError(
                f"{int((top <= 0).sum())} of {len(probs)} rows have no class with a probability above 0, for example "
                f"id {read(table, 'id')[top[:, 0] <= 0][0]}. The model must return probabilities that sum to 1."
            )
        # In logarithms, relative to the largest: the largest is exp(0) = 1 whatever the temperature, so that no
        # row sums to 0; what is too small becomes 0.
        with np.errstate(divide="ignore", over="ignore", under="ignore"):
            powers = np.exp(np.log((probs / top).clip(min=0)) / number(self.temperature))
            sharp = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
        return write(table, probs=sharp)


@dataclass(frozen=True)
class SmoothLabels(Op):
    """Label smoothing: ``(1 - epsilon) y + epsilon / classes`` (Szegedy et al., 2016, arXiv:1512.00567, section 7).

    Args:
        epsilon: Share of the label that is spread evenly over all classes, between 0 and 1.
        classes: Number of classes; needed for hard labels, which do not tell.

    Requires ``label`` ``(rows,)`` or ``(rows, classes)``; overwrites it, ``(rows, classes)`` float32.

    Raises:
        PipelineError: If a parameter makes no sense.
        DataError: If the labels do not fit the number of classes, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> show(SmoothLabels(0.5, classes=4)(example(label=[1]), None), "label")
        [[0.125, 0.625, 0.125, 0.125]]
    """

    epsilon: float | Schedule = 0.1
    classes: int | None = None

    def __post_init__(self) -> None:
        check_range("SmoothLabels(epsilon)", self.epsilon, 0, 1)
        check_range("SmoothLabels(classes)", self.classes, 2)

    @property
    def requires(self) -> tuple[str, ...]:
        """The label."""
        return ("label",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The smoothed label."""
        return ("label",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with smoothed labels."""
        label = read(table, "label")
        soft = (self._one_hot(label) if label.ndim == 1 else self._checked(label)).astype(np.float64)
        epsilon = number(self.epsilon)
        smooth = (1 - epsilon) * soft + epsilon / soft.shape[1]
        return write(table, label=smooth.astype(np.float32))

    def _one_hot(self, label: Array) -> Array:
        if self.classes is None:
            raise DataError(
                "SmoothLabels cannot know the number of classes from hard labels. Give SmoothLabels(classes=...), or "
                "use SoftLabels() before it."
            )
        wrong = (label < 0) | (label >= self.classes)
        if wrong.any():
            raise DataError(
                f"{wrong.sum()} of {len(label)} labels are not among the classes 0 to {self.classes - 1}, for example "
                f"{label[wrong][:3].tolist()}. Give SmoothLabels the model's number of classes."
            )
        one_hot: Array = np.eye(self.classes)[label]
        return one_hot

    def _checked(self, label: Array) -> Array:
        if self.classes not in (None, label.shape[1]):
            raise DataError(
                f"SmoothLabels has classes={self.classes}, but the labels have {label.shape[1]}. Leave classes out for "
                "soft labels."
            )
        return label


def _labelled(table: pa.Table, label: Array, consumed: tuple[str, ...]) -> pa.Table:
    """Return the table with labels, with weight 1 where there is none, and without the consumed columns."""
    table = write(table, label=label)
    if "weight" not in table.column_names:
        table = write(table, weight=np.ones(table.num_rows, dtype=np.float32))
    return table.drop_columns([name for name in consumed if name in table.column_names])
