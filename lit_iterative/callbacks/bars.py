"""Ways to show how far a round is: a bar of tqdm, a bar of rich, or a line now and then."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm

from lit_iterative.inspect import text

if TYPE_CHECKING:  # rich need not be installed
    from lightning.pytorch.callbacks.progress.rich_progress import CustomProgress


class Bar(Protocol):
    """Shows one stage of a round."""

    def rows(self, done: int, total: int) -> None:
        """Show how many rows are done."""

    def close(self) -> None:
        """Show the stage no more."""


class TqdmBar:
    """A second bar below the trainer's, in a terminal or a notebook.

    Args:
        title: The round and the stage.
    """

    def __init__(self, title: str) -> None:
        self._bar = Tqdm(desc=title, unit=" rows", leave=False, dynamic_ncols=True)

    def rows(self, done: int, total: int) -> None:
        """Show how many rows are done; tqdm shows the rows per second and the time left."""
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


class RichBar:
    """A line in the trainer's own display; rich draws the bar, and the time that is left.

    Args:
        display: That of the trainer's progress bar.
        title: The round and the stage.
    """

    def __init__(self, display: "CustomProgress", title: str) -> None:
        self._display = display
        self._title = title
        self._start = time.monotonic()
        self._task = display.add_task(title, total=1.0)

    def rows(self, done: int, total: int) -> None:
        """Show how many rows are done, and how many a second."""
        rate = _rate(done, self._start)
        self._display.update(self._task, description=f"{self._title}, {rate}", completed=done, total=total)
        self._display.refresh()

    def close(self) -> None:
        """Hide the line; taken away, it would shift the others, which Lightning finds by their place."""
        self._display.update(self._task, visible=False)


class Lines:
    """A line now and then in a long stage; short ones say nothing.

    Args:
        say: Prints a line.
        title: The round and the stage.
        seconds: Time between two lines.
    """

    def __init__(self, say: Callable[[str], None], title: str, seconds: float = 60.0) -> None:
        self._say = say
        self._title = title
        self._seconds = seconds
        self._start = self._last = time.monotonic()

    def rows(self, done: int, total: int) -> None:
        """Print how many rows are done, how many a second, and the time left."""
        now = time.monotonic()
        if now - self._last < self._seconds or not done:
            return
        self._last = now
        left = text.seconds((now - self._start) / done * (total - done))
        rows = f"{text.count(done)} of {text.count(total)} rows"
        self._say(f"{self._title}, {rows}, {_rate(done, self._start)}, {left} left")

    def close(self) -> None:
        """Say nothing more."""


def _rate(done: int, start: float) -> str:
    seconds = time.monotonic() - start
    return f"{done / seconds:,.0f} rows/s" if seconds > 0 else "- rows/s"
