"""Draws figures in a process of its own, at the lowest priority, so that training does not wait for them.

``python -m lit_iterative.figures.painter FOLDER LOG_DIR …`` reads a line of JSON for each figure,
``[number, tag, round, kind, arguments]``. It adds the figure to TensorBoard's log directories, and writes
``FOLDER/000007.png``, which is whole or absent, unless there is no such folder. It ends when its input does.
"""

import json
import os
import sys
import time
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from lit_iterative.figures import of_round
from lit_iterative.figures.style import png
from lit_iterative.rounds.diagnostics import Reliability

KINDS = {
    "funnel": of_round.funnel,
    "class_distribution": of_round.class_distribution,
    "class_flow": of_round.class_flow,
    "confusion_matrix": of_round.confusion_matrix,
    "reliability_diagram": of_round.reliability_diagram,
    "scores_by_length": of_round.scores_by_length,
}


def draw(kind: str, arguments: list[Any]) -> Figure:
    """Return a figure.

    Args:
        kind: Which one.
        arguments: What its function is given, in primitives.
    """
    figure: Figure = KINDS[kind](*map(_given, arguments))  # type: ignore[operator]  # each has arguments of its own
    return figure


def _given(value: Any) -> Any:
    """Turn primitives back into arrays."""
    if isinstance(value, dict) and "edges" in value:
        return Reliability(**{name: np.array(part) for name, part in value.items()})
    if isinstance(value, dict):
        return {name: np.array(part) for name, part in value.items()}
    return np.array(value) if isinstance(value, list) and not any(isinstance(part, str) for part in value) else value


class Easel:
    """Where finished figures go.

    Args:
        folder: Folder for PNG files; none where there is no such folder.
        log_dirs: TensorBoard's directories; each gets a file of events beside those of the training.
    """

    def __init__(self, folder: str, log_dirs: list[str]) -> None:
        self._folder = folder
        self._writers = [EventFileWriter(log_dir, filename_suffix=".figures") for log_dir in log_dirs]

    def show(self, number: int, tag: str, round: int, content: bytes) -> None:
        """Take a figure, as a PNG file."""
        for writer in self._writers:
            writer.add_event(Event(wall_time=time.time(), step=round, summary=as_summary(tag, content)))
            writer.flush()
        if os.path.isdir(self._folder):
            path = os.path.join(self._folder, f"{number:06d}.png")
            with open(f"{path}.tmp", "wb") as file:
                file.write(content)
            os.replace(f"{path}.tmp", path)


def as_summary(tag: str, png: bytes) -> Summary:
    """Return a picture as TensorBoard keeps it."""
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))  # PNG, section 11.2.2
    image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png)
    return Summary(value=[Summary.Value(tag=tag, image=image)])


def main() -> None:
    """Draw until the input ends; it is read at once, so that whoever writes need not wait."""
    if hasattr(os, "nice"):
        os.nice(19)
    easel = Easel(sys.argv[1], sys.argv[2:])
    lines: SimpleQueue[str] = SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put("")

    Thread(target=listen, daemon=True).start()
    while line := lines.get():
        number, tag, round, kind, arguments = json.loads(line)
        easel.show(number, tag, round, png(draw(kind, [round, *arguments])))


if __name__ == "__main__":
    main()
