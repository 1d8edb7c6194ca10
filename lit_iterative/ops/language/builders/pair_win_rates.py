"""PairWinRates: pairs whose two scores are win rates, as the loss ``sppo`` reads them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import scores_of
from lit_iterative.ops.op import Op

SIDES = ("chosen", "rejected")


@dataclass(frozen=True)
class PairWinRates(Op):
    """Gives the losses of games the scores of a pair as win rates against the policy: put it behind a builder.

    SPPO (Wu et al., 2024, arXiv:2405.00675, equation 4.7) moves each log-ratio to where its win rate says, which
    ``WinRate`` estimates; the builder's scores are these estimates.

    Requires ``chosen_score`` and ``rejected_score``; provides ``chosen_win_rate`` and ``rejected_win_rate``.

    Raises:
        DataError: If a score is no share from 0 to 1, when run.

    Example:
        >>> pairs = pa.table({"id": [1], "chosen_score": [0.75], "rejected_score": [0.25]})
        >>> PairWinRates()(pairs, None).column("chosen_win_rate").to_pylist()
        [0.75]
    """

    @property
    def requires(self) -> tuple[str, ...]:
        """The scores."""
        return tuple(f"{side}_score" for side in SIDES)

    @property
    def provides(self) -> tuple[str, ...]:
        """The win rates."""
        return tuple(f"{side}_win_rate" for side in SIDES)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the pairs with their win rates."""
        for side in SIDES:
            score = scores_of(table, f"{side}_score")
            if not ((score >= 0) & (score <= 1)).all():
                wrong = score[~((score >= 0) & (score <= 1))][0]
                raise DataError(
                    f"A pair has the {side}_score {wrong}, which is no win rate. Build the pairs by scores.win_rate."
                )
            table = write(table, **{f"{side}_win_rate": score.astype(np.float64)})
        return table
