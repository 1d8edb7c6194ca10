"""Figures of a round, readable at the size of an image card."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lit_iterative.columns import Array
from lit_iterative.figures.style import BLUE, GREY, SKY, VERMILION, canvas, compact, new_figure, percent, styled
from lit_iterative.rounds.diagnostics import Reliability

MOST_TICKS = 20
MOST_NUMBERS = 12


@styled
def class_distribution(round: int, rows: Array, before: Array | None = None, pool: Array | None = None) -> Figure:
    """Draw the rows of every class.

    Args:
        round: Number of the round.
        rows: Rows of every class, shape ``(classes,)``.
        before: The same for the round before; left out where there are many classes.
        pool: Inputs of every true class in the pool; drawn as shares of this round's rows.
    """
    figure, axes = canvas(f"Round {round}: class distribution")
    place = np.arange(len(rows))
    if before is None or len(rows) > MOST_TICKS:  # more bars in pairs are not told apart
        axes.bar(place, rows, 0.8, color=BLUE, label="this round")
    else:
        axes.bar(place + 0.2, rows, 0.4, color=BLUE, label="this round")
        axes.bar(place - 0.2, before, 0.4, color=GREY, alpha=0.6, label="round before")
    if pool is not None and pool.sum():
        expected = rows.sum() * pool / pool.sum()
        axes.hlines(expected, place - 0.45, place + 0.45, colors=VERMILION, linewidth=2, label="true share in pool")
    _class_ticks(axes.xaxis, len(rows))
    axes.set(xlabel="pseudo-label", ylabel="rows")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    if len(axes.get_legend_handles_labels()[1]) > 1:
        figure.legend(loc="outside lower center", ncols=3, handlelength=1.2, columnspacing=1.2)
    return figure


@styled
def reliability_diagram(round: int, bins: Reliability) -> Figure:
    """Draw accuracy against confidence, with the rows of every bin below (Guo et al., 2017, figure 1).

    Args:
        round: Number of the round.
        bins: The bins.
    """
    figure = new_figure(f"Round {round}: reliability")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    filled = bins.rows > 0
    left, width = bins.edges[:-1][filled], np.diff(bins.edges)[filled]
    low = bins.edges[0]
    top.bar(left, bins.accuracy[filled], width, align="edge", color=SKY, edgecolor="white", label="accuracy")
    top.plot([low, 1], [low, 1], color=VERMILION, linestyle="--", linewidth=1.5, label="perfectly calibrated")
    top.plot(
        bins.confidence[filled],
        bins.accuracy[filled],
        "o",
        color=BLUE,
        markersize=3.5,
        clip_on=False,
        label="mean of bin",
    )
    floor = np.min(bins.accuracy[filled], initial=low)
    top.set(ylim=(max(0.0, 0.95 * floor) if low else 0.0, 1.0), xlim=(low, 1.0), ylabel="accuracy")
    top.set_title(f"accuracy {bins.total_accuracy:.1%}, mean confidence {bins.total_confidence:.1%}")
    top.yaxis.set_major_formatter(FuncFormatter(percent))
    bottom.bar(left, bins.rows[filled], width, align="edge", color=GREY, edgecolor="white")
    bottom.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    bottom.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    bottom.set(xlabel="confidence", ylabel="rows")
    figure.legend(*top.get_legend_handles_labels(), loc="outside lower center", ncols=3, handlelength=1.5)
    return figure


@styled
def confusion_matrix(round: int, counts: Array) -> Figure:
    """Draw true classes against labels; colours are shares of the true class.

    Args:
        round: Number of the round.
        counts: Rows, true classes down, labels across, shape ``(classes, classes)``.
    """
    right = np.trace(counts) / max(counts.sum(), 1)
    figure, axes = canvas(f"Round {round}: labels against hidden truth", f"{right:.1%} of {counts.sum()} right")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, format=FuncFormatter(percent))
    bar.set_label("share of the true class")
    _matrix_axes(axes, counts, dark=shares > 0.5)
    axes.set(xlabel="pseudo-label", ylabel="true class")
    return figure


@styled
def class_flow(round: int, counts: Array) -> Figure:
    """Draw how inputs moved between classes; only changes of class are coloured.

    Args:
        round: Number of the round.
        counts: Rows, classes before down, classes now across, with a last row for new inputs and a last
            column for those that left, shape ``(classes + 1, classes + 1)``.
    """
    classes = len(counts) - 1
    flips = counts[:classes, :classes] * (1 - np.eye(classes, dtype=counts.dtype))
    both = counts[:classes, :classes].sum()
    share = f"{flips.sum() / both:.1%}" if both else "0"
    figure, axes = canvas(
        f"Round {round}: class flow",
        f"{flips.sum()} of {both} ({share}) changed, {counts[classes].sum()} new, {counts[:, classes].sum()} left",
    )
    changed = np.zeros(counts.shape)
    changed[:classes, :classes] = flips
    image = axes.imshow(changed, cmap="Oranges", vmin=0, vmax=max(1, flips.max(initial=0)))
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("inputs that changed class")
    bar.locator = MaxNLocator(4, integer=True)
    bar.update_ticks()
    _matrix_axes(axes, counts, dark=changed > 0.6 * max(1, flips.max(initial=0)), margin=("new", "left"))
    for line in (axes.axhline, axes.axvline):
        line(classes - 0.5, color=GREY, linewidth=1)
    axes.set(xlabel=f"class in round {round}", ylabel="class in the round before")
    return figure


@styled
def funnel(round: int, names: list[str], rows: list[int]) -> Figure:
    """Draw how many rows every op left.

    Args:
        round: Number of the round.
        names: Where the rows stand: the pool, then the ops in order.
        rows: Rows there.
    """
    figure, axes = canvas(f"Round {round}: rows after every op")
    place = np.arange(len(names))
    bars = axes.barh(place, rows, 0.7, color=[GREY] + [BLUE] * (len(names) - 1))
    axes.bar_label(bars, [compact(count) for count in rows], padding=3, fontsize=8)
    axes.set_yticks(place, names)
    axes.invert_yaxis()
    axes.set(xlabel="rows", xlim=(0, 1.15 * max(1, *rows)))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    return figure


@styled
def scores_by_length(round: int, sides: Mapping[str, Array]) -> Figure:
    """Draw the score of completions against their length; a slope is what a policy learns to exploit.

    Args:
        round: Number of the round.
        sides: For each kind of completion, such as ``chosen``, lengths and scores, shape ``(2, rows)``.
    """
    figure, axes = canvas(f"Round {round}: score by length")
    colours = {"rejected": VERMILION}
    for name, (lengths, scores) in sides.items():
        colour = colours.get(name, BLUE)
        alpha = float(np.clip(40 / np.sqrt(max(1, len(lengths))), 0.25, 0.9))
        slope = (
            f", correlation {np.corrcoef(lengths, scores)[0, 1]:+.2f}" if _varies(lengths) and _varies(scores) else ""
        )
        axes.plot(lengths, scores, ".", color=colour, alpha=alpha, markersize=4, label=f"{name}{slope}")
    axes.set(xlabel="tokens", ylabel="score")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    figure.legend(loc="outside lower center", ncols=2, handlelength=1.2)
    return figure


def _varies(values: Array) -> bool:
    return len(values) > 1 and bool(np.ptp(values) > 0)


def _class_ticks(axis: Axis, classes: int, margin: str | None = None) -> None:
    """Name the classes, every one where there is room, else about eight and a margin that keeps its distance."""
    if classes <= MOST_TICKS:
        places = list(range(classes))
    else:
        places = [int(place) for place in MaxNLocator(8, integer=True).tick_values(0, classes)]
        places = [place for place in places if 0 <= place < classes * (1 if margin is None else 0.92)]
    names = [str(place) for place in places]
    if margin is not None:
        places, names = [*places, classes], [*names, margin]
    axis.set_ticks(places, labels=names)


def _matrix_axes(axes: Axes, counts: Array, dark: Array, margin: tuple[str, str] | None = None) -> None:
    """Name rows and columns, and write the counts where there is room."""
    classes = len(counts) - (margin is not None)
    _class_ticks(axes.yaxis, classes, margin and margin[0])
    _class_ticks(axes.xaxis, classes, margin and margin[1])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if len(counts) > MOST_NUMBERS:
        return
    for row, column in np.argwhere(counts):
        colour = "white" if dark[row, column] else "#303030"
        number = axes.text(
            column, row, compact(counts[row, column]), ha="center", va="center", color=colour, fontsize=7
        )
        number.set_in_layout(False)  # inside of the axes, and a hundred of them take long to lay out
