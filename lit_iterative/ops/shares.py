"""Shares: weights by which several kinds of rows count in given shares."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope


@dataclass(frozen=True)
class Shares(Op):
    """Multiplies the weights of each kind of rows, so that together they are a given share of all weights.

    Where there is no row of a kind, the others share its part as they share theirs. The sum of all weights stays. With
    ``Mixing(weighting="sample")`` rows are drawn in these shares: the batches of DITTO (Shaikh et al., 2024,
    arXiv:2406.00888).

    Args:
        column: What tells the kinds apart.
        shares: The share of each kind, above 0; only their proportions count.

    Requires the column and ``weight``; provides ``weight``, float32. Counts the rows of every kind, by its name.

    Raises:
        PipelineError: If there are no shares, or one is not above 0.
        DataError: If a row is of another kind, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> from lit_iterative.pool import Pool
        >>> table = example(id=[0, 1, 2], kind=["new", "new", "old"], weight=[1.0, 1.0, 1.0])
        >>> show(Shares("kind", {"new": 0.8, "old": 0.2})(table, Context(Pool([0] * 3, 1))), "weight")
        [1.2, 1.2, 0.6]
    """

    column: str
    shares: dict[str, float]
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        if not self.shares or not all(0 < share < np.inf for share in self.shares.values()):
            raise PipelineError(f"Shares(shares) is {self.shares}. Give a number above 0 for every kind of rows.")

    @property
    def requires(self) -> tuple[str, ...]:
        """The kinds and the weights."""
        return (self.column, "weight")

    @property
    def provides(self) -> tuple[str, ...]:
        """The weights."""
        return ("weight",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows with their weights."""
        kinds, weight = read(table, self.column).astype(str), read(table, "weight").astype(np.float64)
        unknown = sorted(set(kinds.tolist()) - set(self.shares))
        if unknown:
            raise DataError(
                f"Rows have {unknown} in {self.column!r}, but shares are given of {sorted(self.shares)}. Give one for "
                "every kind."
            )
        masks = {kind: kinds == kind for kind in self.shares}
        for kind, mask in masks.items():
            context.tally.count(kind, int(mask.sum()))
        present = {kind: mask for kind, mask in masks.items() if weight[mask].sum() > 0}
        parts = sum(self.shares[kind] for kind in present)
        total, shared = weight.sum(), weight.copy()
        for kind, mask in present.items():
            shared[mask] *= self.shares[kind] / parts * total / weight[mask].sum()
        return write(table, weight=shared.astype(np.float32))
