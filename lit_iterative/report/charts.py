"""Curves over the rounds, as pictures inside of the page; none without matplotlib."""

import base64
from collections.abc import Mapping

from lit_iterative.report.markup import Markup, tag


def available() -> bool:
    """Tell whether curves can be drawn."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def curve(title: str, points: Mapping[float, float], best: float | None = None, after: bool = False) -> Markup:
    """Return a picture of a metric over the rounds.

    Args:
        title: What it is.
        points: Values by round.
        best: The round whose point is marked.
        after: Whether a value belongs to the training on a round, so that one stands before the first.
    """
    from lit_iterative.figures.curve import curve as draw
    from lit_iterative.figures.style import svg

    return picture(svg(draw(title, points, best, after)), f"{title}: {described(points)}")


def described(points: Mapping[float, float]) -> str:
    """Say what a curve shows to whoever cannot see it.

    Example:
        >>> described({0: 0.5, 1: 0.75})
        'from 0.5 to 0.75 over 2 points'
    """
    values = list(points.values())
    return f"from {values[0]:.4g} to {values[-1]:.4g} over {len(values)} points"


def picture(svg: str, alternative: str) -> Markup:
    """Return an SVG file as a picture of its own, whose names and styles cannot meet those of the page."""
    content = base64.b64encode(svg.encode()).decode()
    return tag("img", src=f"data:image/svg+xml;base64,{content}", alt=alternative, loading="lazy")
