"""Draws figures in a process of its own, at the lowest priority, so that training does not wait for them.

``python -m lit_iterative.figures.painter FOLDER`` reads a line of JSON for each figure, ``[number, kind, arguments]``,
and writes ``FOLDER/000007.png``, which is whole or absent. It ends when its input does.
"""

import json
import os
import sys
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
from matplotlib.figure import Figure

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


def main() -> None:
    """Draw until the input ends; it is read at once, so that whoever writes need not wait."""
    if hasattr(os, "nice"):
        os.nice(19)
    folder = sys.argv[1]
    lines: SimpleQueue[str] = SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put("")

    Thread(target=listen, daemon=True).start()
    while line := lines.get():
        number, kind, arguments = json.loads(line)
        path = os.path.join(folder, f"{number:06d}.png")
        with open(f"{path}.tmp", "wb") as file:
            file.write(png(draw(kind, arguments)))
        os.replace(f"{path}.tmp", path)


if __name__ == "__main__":
    main()
