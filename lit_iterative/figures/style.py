"""How all figures look: colours, sizes, and the canvas that they are drawn on, without pyplot.

Colours are those of Okabe and Ito, which colour-blind people tell apart.
"""

from collections.abc import Callable
from functools import wraps
from io import BytesIO, StringIO
from typing import ParamSpec, TypeVar

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

BLUE, SKY, VERMILION, GREY = "#0072B2", "#56B4E9", "#D55E00", "#8A8A8A"
STYLE = {
    "font.size": 9,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "figure.titlesize": 10,
    "figure.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "xtick.color": "#404040",
    "ytick.color": "#404040",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
}
P = ParamSpec("P")
R = TypeVar("R")


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw in our style whatever the user's settings are, and leave those as they were."""

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.style.context(["default", STYLE]):
            return draw(*args, **kwargs)

    return styled


def new_figure(title: str, width: float = 3.9, height: float = 3.2) -> Figure:
    """Return an empty figure with a title."""
    figure = Figure(figsize=(width, height), dpi=180, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def canvas(title: str, subtitle: str = "") -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes."""
    figure = new_figure(title)
    axes = figure.subplots()
    axes.set_title(subtitle)
    return figure, axes


@styled
def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file."""
    file = BytesIO()
    FigureCanvasAgg(figure).print_png(file, pil_kwargs={"compress_level": 1})  # type: ignore[no-untyped-call]  # matplotlib's
    return file.getvalue()


@styled
def svg(figure: Figure) -> str:
    """Return a figure as an SVG file, the same text for the same figure; fonts are those of the reader."""
    file = StringIO()
    with matplotlib.style.context({"svg.fonttype": "none", "svg.hashsalt": "lit-iterative"}):
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    return file.getvalue()


def compact(count: int) -> str:
    """Write a count in few characters."""
    if count < 10_000:
        return str(count)
    return f"{count / 1000:.0f}k" if count < 1_000_000 else f"{count / 1_000_000:.3g}M"


def percent(share: float, position: int | None = None) -> str:
    """Write a share; the position of a tick does not matter."""
    return f"{100 * share:g}%"
