"""Metrics of training steps: means over all ranks, with one collective in a log step and none in others."""

import lightning.pytorch as pl
import torch
from torch import Tensor


class StepMetrics:
    """Logs the mean of every metric over the rows of all micro-batches of a step, and of all ranks.

    A mean is a sum and a count, which are added up over micro-batches and ranks; a mean of means would count one with
    few rows as much as one with many.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}

    def add(self, measured: dict[str, Tensor]) -> None:
        """Take in a micro-batch.

        Args:
            measured: A value for each row, ``(rows,)``; NaN where a row does not count.
        """
        for name, value in measured.items():
            both = torch.stack([value.float().nansum(), (~value.isnan()).sum()])
            self._sums[name] = self._sums[name] + both if name in self._sums else both

    def log(self, module: pl.LightningModule) -> None:
        """Log the means, and start again from nothing; all ranks call this in the same step, with the same names.

        Args:
            module: Whose step it is.
        """
        if not self._sums:
            return
        both = module.trainer.strategy.reduce(torch.stack([*self._sums.values()]), reduce_op="sum")
        means = (both[:, 0] / both[:, 1]).unbind()  # of no rows: NaN
        module.log_dict(dict(zip(self._sums, means, strict=True)), on_step=True, on_epoch=False, batch_size=1)
        self._sums = {}
