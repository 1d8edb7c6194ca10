"""A painter: figures are drawn in a process beside the training, which puts them into TensorBoard itself."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from lit_iterative.rounds.diagnostics import Reliability

#: Painters that had not done when their fit ended; they end by themselves.
LEFT: list["subprocess.Popen[str]"] = []


class Drawing(NamedTuple):
    """A figure to draw.

    Args:
        name: What the loggers call it.
        round: Number of the round.
        kind: Which figure of :mod:`lit_iterative.figures.painter`.
        arguments: What it is given.
    """

    name: str
    round: int
    kind: str
    arguments: tuple[Any, ...]


class Painter:
    """Draws beside the training; without matplotlib it draws nothing and says so once."""

    #: Seconds to wait at the end for figures that are left, whatever is asked for.
    least = 0.0

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        self._waiting: dict[int, Drawing] = {}
        self._number = 0
        self._idle = False

    def start(self, log_dirs: Sequence[str], pictures: bool) -> bool:
        """Start the process if it is not there; tell whether it can be of use.

        Args:
            log_dirs: TensorBoard's directories.
            pictures: Whether the figures are wanted as files as well, for :meth:`done`.
        """
        if self._process is None and not self._idle:
            if find_spec("matplotlib") is None:
                self._idle = True
                rank_zero_info(
                    'Figures of the rounds are left out: they need matplotlib (pip install "lit-iterative[plots]").'
                )
                return False
            self._folder = tempfile.TemporaryDirectory(prefix="lit-iterative-figures-") if pictures else None
            folder = self._folder.name if self._folder else ""
            command = [sys.executable, "-m", "lit_iterative.figures.painter", folder, *log_dirs]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return not self._idle

    def draw(self, drawing: Drawing) -> None:
        """Begin a figure."""
        if self._process is None or self._process.stdin is None or self._idle:
            return
        line = [self._number, f"by_round/{drawing.name}", drawing.round, drawing.kind, _primitive(drawing.arguments)]
        try:
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._give_up()
            return
        self._waiting[self._number] = drawing
        self._number += 1

    def done(self) -> Iterator[tuple[Drawing, bytes]]:
        """Yield the figures that are ready, as PNG files, where they are wanted."""
        for number in list(self._waiting) if self._folder is not None else []:
            path = os.path.join(self._folder.name, f"{number:06d}.png")  # type: ignore[union-attr]  # not none
            if os.path.exists(path):
                with open(path, "rb") as file:
                    content = file.read()
                os.remove(path)
                yield self._waiting.pop(number), content

    def finish(self, patience: float) -> Iterator[tuple[Drawing, bytes]]:
        """Wait a while for the figures that are left, and yield them; after that the process goes on by itself.

        Args:
            patience: Seconds to wait.
        """
        if self._process is None:
            return
        try:
            self._process.communicate(timeout=max(patience, self.least))
        except subprocess.TimeoutExpired:
            LEFT.append(self._process)
            self._process = None
        yield from self.done()
        if self._process is not None and self._process.returncode:
            self._give_up()
        self.close()

    def close(self) -> None:
        """End the process, whatever it is at."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        if self._folder is not None:
            self._folder.cleanup()
        self._process, self._folder, self._waiting = None, None, {}

    def _give_up(self) -> None:
        if self._idle:
            return
        self._idle = True
        rank_zero_warn(
            f"Figures of the rounds are missing: the process that draws them ended with {len(self._waiting)} left."
        )


def _primitive(value: Any) -> Any:
    if isinstance(value, Reliability):
        return _primitive({name: getattr(value, name) for name in ("edges", "rows", "accuracy", "confidence")})
    if isinstance(value, dict):
        return {name: _primitive(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_primitive(part) for part in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
