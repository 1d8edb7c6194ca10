"""Progress of a round, shown the way that the trainer shows its own."""

from types import TracebackType

import lightning.pytorch as pl
from lightning.pytorch.callbacks import RichProgressBar, TQDMProgressBar

from lit_iterative.callbacks.bars import Bar, Lines, RichBar, TqdmBar


class Progress:
    """Shows the round, the stage, the rows done, the rows per second and the time left, on rank 0.

    Where the trainer has a bar of tqdm or rich, a second one stands beside it; where it has another progress bar, such
    as one that writes lines into a log, it prints a line once a minute; where it has none, nothing is shown.

    Args:
        trainer: The trainer.
        round: Number of the round.
    """

    def __init__(self, trainer: pl.Trainer, round: int) -> None:
        self._callback = trainer.progress_bar_callback if trainer.is_global_zero else None
        self._round = round
        self._bar: Bar | None = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def stage(self, name: str) -> None:
        """Say what happens next."""
        self._close()
        self._bar = self._new(f"Round {self._round}: {name}")

    def rows(self, done: int, total: int) -> None:
        """Say how many rows of this rank are done."""
        if self._bar is not None:
            self._bar.rows(done, total)

    def _new(self, title: str) -> Bar | None:
        if isinstance(self._callback, TQDMProgressBar):
            return TqdmBar(title)
        if isinstance(self._callback, RichProgressBar):
            display = self._callback.progress
            return None if display is None or not self._callback.is_enabled else RichBar(display, title)
        return None if self._callback is None else Lines(self._callback.print, title)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
