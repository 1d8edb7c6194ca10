"""What a run says of itself in lines: one a round, and one an epoch where no bar can be drawn."""

import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ProgressBar

from lit_iterative.callbacks.rounds import Rounds
from lit_iterative.inspect import text
from lit_iterative.rounds.manifest import Manifest


class RoundLines(pl.Callback):
    """Prints a line for every round, above the progress bar if there is one. Put it behind the one that makes rounds.

    Args:
        monitor: A metric of the trainer that is printed with it, where it is known.
    """

    def __init__(self, monitor: str = "val_accuracy") -> None:
        self.monitor = monitor
        self._told: int | None = None

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell of a round that has just been made; one that a restored run has told of is not told again."""
        rounds = rounds_of(trainer)
        if rounds is None or rounds.last_epoch != trainer.current_epoch or rounds.rounds_made == self._told:
            return
        self._told = rounds.rounds_made
        if trainer.is_global_zero:
            pl_module.print(round_line(rounds.store.open(rounds.rounds_made - 1).manifest, self.monitor))


def rounds_of(trainer: pl.Trainer) -> Rounds | None:
    """Return the callback that makes rounds, if there is one."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return next((callback for callback in callbacks if isinstance(callback, Rounds)), None)


def round_line(manifest: Manifest, monitor: str) -> str:
    """Return a round in one line."""
    measured = manifest.metrics
    parts = [
        f"Round {manifest.round}: {text.count(manifest.rows)} rows from {text.share(measured.get('coverage'))} of "
        f"{text.count(manifest.pool_rows)} inputs"
    ]
    shares = {"label_accuracy": "labels right", "flip_rate": "changed"}
    parts += [f"{text.share(measured[name])} {said}" for name, said in shares.items() if name in measured]
    if monitor in manifest.metrics_before:
        parts.append(f"{monitor} {text.number(manifest.metrics_before[monitor])} before")
    return ", ".join([*parts, text.seconds(manifest.seconds)])


class LogLines(ProgressBar):
    """A progress bar for log files: a line at the end of every epoch, and one a minute within long ones.

    Metrics in groups, such as ``round/rows`` and ``logps/chosen``, are left to the loggers.

    Args:
        seconds: Time between two lines within an epoch.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        super().__init__()
        self.seconds = seconds
        self._enabled = True
        self._last = time.monotonic()

    @property
    def is_enabled(self) -> bool:
        """Whether anything is printed."""
        return self._enabled

    def disable(self) -> None:
        """Print nothing; ranks but the first do so."""
        self._enabled = False

    def enable(self) -> None:
        """Print."""
        self._enabled = True

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Print anything."""
        if self._enabled:
            print(*args, **kwargs, flush=True)

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Print a line if the last one is long ago."""
        if time.monotonic() - self._last >= self.seconds:
            batches = self.total_train_batches
            self._line(f"batch {self.trainer.fit_loop.batch_idx + 1} of {batches}")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print how the epoch ended."""
        self._line(f"step {trainer.global_step}")

    def _line(self, where: str) -> None:
        self._last = time.monotonic()
        total = self.trainer.max_epochs
        epoch = f"{self.trainer.current_epoch + 1}" + (f" of {total}" if total is not None and total > 0 else "")
        metrics = self.trainer.callback_metrics
        numbers = [
            f"{name} {text.number(float(value))}"
            for name, value in metrics.items()
            if value.numel() == 1 and "/" not in name
        ]
        self.print(", ".join([f"Epoch {epoch}", where, *numbers]))
