"""Metrics of training steps: means over all ranks, with one collective in a log step and none in others."""

import lightning.pytorch as pl
import torch
from torch import Tensor


class StepMetrics:
    """Logs the mean of every metric over the rows of all ranks.

    A mean is a sum and a count, which are added up over ranks together; a mean of means would count a rank with few
    rows as much as one with many.
    """

    def log(self, module: pl.LightningModule, measured: dict[str, Tensor]) -> None:
        """Log metrics; all ranks call this in the same step, with the same names.

        Args:
            module: Whose step it is.
            measured: A value for each row, ``(rows,)``; NaN where a row does not count.
        """
        if not measured:
            return
        values = torch.stack([value.float().nansum() for value in measured.values()])
        counts = torch.stack([(~value.isnan()).sum() for value in measured.values()]).to(values.dtype)
        both = module.trainer.strategy.reduce(torch.stack([values, counts]), reduce_op="sum")
        means = (both[0] / both[1]).unbind()  # of no rows: NaN
        module.log_dict(dict(zip(measured, means, strict=True)), on_step=True, on_epoch=False, batch_size=1)
