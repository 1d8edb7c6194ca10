"""A painter: figures are drawn in a process beside the training, and fetched when they are done."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from lit_iterative.rounds.diagnostics import Reliability

PATIENCE = 120.0  # seconds for the figures that are left at the end


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

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        self._waiting: dict[int, Drawing] = {}
        self._number = 0
        self._idle = False

    def draw(self, drawing: Drawing) -> None:
        """Begin a figure."""
        if not self._ready():
            return
        line = json.dumps([self._number, drawing.kind, _primitive([drawing.round, *drawing.arguments])])
        try:
            self._process.stdin.write(line + "\n")  # type: ignore[union-attr]  # it is there once it is ready
            self._process.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            self._give_up()
            return
        self._waiting[self._number] = drawing
        self._number += 1

    def done(self) -> Iterator[tuple[Drawing, bytes]]:
        """Yield the figures that are ready, as PNG files."""
        for number in list(self._waiting):
            path = os.path.join(self._folder.name, f"{number:06d}.png") if self._folder else ""
            if os.path.exists(path):
                with open(path, "rb") as file:
                    content = file.read()
                os.remove(path)
                yield self._waiting.pop(number), content

    def finish(self) -> Iterator[tuple[Drawing, bytes]]:
        """Wait for the figures that are left, yield them, and end the process."""
        if self._process is None:
            return
        try:
            self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        yield from self.done()
        if self._waiting:
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

    def _ready(self) -> bool:
        """Start the process if it can be of use."""
        if self._process is None and not self._idle:
            if find_spec("matplotlib") is None:
                self._idle = True
                rank_zero_info(
                    'Figures of the rounds are left out: they need matplotlib (pip install "lit-iterative[plots]").'
                )
                return False
            self._folder = tempfile.TemporaryDirectory(prefix="lit-iterative-figures-")
            command = [sys.executable, "-m", "lit_iterative.figures.painter", self._folder.name]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return not self._idle

    def _give_up(self) -> None:
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
