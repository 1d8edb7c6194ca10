"""Progress of a round: a bar beside the trainer's own, or plain lines."""

from types import TracebackType

import lightning.pytorch as pl
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.utilities import rank_zero_info
from tqdm.auto import tqdm


class Progress:
    """Shows the round, the stage and the rows done, on rank 0.

    A second bar is shown where the trainer's is tqdm's; bars of rich do not nest in every version, so that
    one line a stage is logged there.

    Args:
        trainer: The trainer.
        round: Number of the round.
    """

    def __init__(self, trainer: pl.Trainer, round: int) -> None:
        shown = isinstance(trainer.progress_bar_callback, TQDMProgressBar) and trainer.is_global_zero
        self._nested = shown
        self._lines = trainer.progress_bar_callback is not None and not shown
        self._round = round
        self._bar: tqdm[None] | None = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def stage(self, name: str) -> None:
        """Say what happens next."""
        self._close()
        title = f"Round {self._round}: {name}"
        if self._nested:
            self._bar = tqdm(desc=title, unit=" rows", leave=False, dynamic_ncols=True)
        elif self._lines:
            rank_zero_info(title)

    def rows(self, done: int, total: int) -> None:
        """Say how many rows of this rank are done."""
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
