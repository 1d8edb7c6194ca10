"""A metric over the rounds."""

import math
from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lit_iterative.figures.style import BLUE, VERMILION, new_figure, styled

MOST_TICKS = 8


@styled
def curve(title: str, points: Mapping[float, float], best: float | None = None, after: bool = False) -> Figure:
    """Draw a metric over the rounds.

    Args:
        title: What it is.
        points: Values by round.
        best: The round whose point is marked.
        after: Whether a value belongs to the training on a round, so that one stands before the first, at -1.
    """
    figure = new_figure(title, 3.6, 2.2)
    axes = figure.subplots()
    axes.plot(list(points), list(points.values()), "-o", color=BLUE, markersize=4, linewidth=1.5)
    if best is not None and best in points:
        axes.plot([best], [points[best]], "o", color=VERMILION, markersize=8, label="best")
        axes.annotate(
            f"{points[best]:.4g}", (best, points[best]), (0, 8), textcoords="offset points", ha="center", fontsize=8
        )
        axes.margins(x=0.09, y=0.24)
    axes.xaxis.set_major_locator(MaxNLocator(MOST_TICKS, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    if after and -1.0 in points:
        places = sorted(points)[:: max(1, math.ceil(len(points) / MOST_TICKS))]
        axes.set_xticks(places, ["start" if place < 0 else f"{place:g}" for place in places])
    axes.set_xlabel("after training on round" if after else "round")
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure
