"""SureOfBoth: how sure a reward model is of each completion of a pair by itself."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class SureOfBoth(Op):
    """How sure a reward model is that one completion of a pair is good, and the other bad, each by itself.

    ``min(sigmoid(r_+), 1 - sigmoid(r_-))`` with ``r_+`` the larger of both rewards and ``r_-`` the smaller, which
    ``Predict(keep_logits=True)`` leaves as logits: a value above 1/2 means that the two lie on different sides of 0,
    which their difference alone does not tell. SER (Huang et al., 2024, arXiv:2411.00418) asks that of a reward model
    which has yet to learn what is good and what is bad.

    Requires ``logits`` ``(rows, 2)``; provides ``scores.sure_of_both`` ``(rows,)`` in [0, 1].

    Raises:
        DataError: If there are not two logits a row, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> show(SureOfBoth()(example(logits=[[0.0, 0.0], [30.0, 20.0], [30.0, -30.0]]), None), "scores.sure_of_both")
        [0.5, 0.0, 1.0]
    """

    @property
    def requires(self) -> tuple[str, ...]:
        """The rewards."""
        return ("logits",)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.sure_of_both",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        logits = read(table, "logits").astype(np.float64)
        if logits.ndim != 2 or logits.shape[1] != 2:
            raise DataError(
                f"SureOfBoth reads the rewards of two completions, but logits have the shape {logits.shape}. Predict "
                "with a reward model over a pool of pairs."
            )
        sure = np.minimum(logits.max(axis=1), -logits.min(axis=1))
        return write(table, **{"scores.sure_of_both": 1 / (1 + np.exp(-sure.clip(-700, 700)))})
