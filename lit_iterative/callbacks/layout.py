"""TensorBoard's custom scalars: charts of the rounds, put together so that one page tells how they go."""

from collections.abc import Iterable
from fnmatch import fnmatchcase as fnmatch

#: Charts by category: what they are called, and the metrics in them.
CHARTS: dict[str, dict[str, tuple[str, ...]]] = {
    "Rounds": {
        "held-out metrics before each round": ("before/*",),
        "held-out losses before each round": ("before/*loss*",),
        "rows": ("rows",),
        "share of the pool": ("coverage", "yield"),
        "labels": ("label_accuracy", "confidence"),
        "calibration error": ("calibration_error",),
        "share of labels that changed": ("flip_rate",),
        "votes and scores": ("vote_share", "chosen_score", "score_gap", "accepted_score"),
    },
    "Text": {
        "lengths": ("chosen_length", "rejected_length", "accepted_length", "completion_tokens"),
        "diversity": ("distinct_1", "distinct_2", "distinct_3"),
        "drift": ("drift", "drift_per_token", "kl", "kl_per_token"),
        "cut short": ("truncated_share",),
    },
    "Cost": {"seconds of a round": ("seconds",)},
}
#: What comes with the second round where the first has labels.
LATER = {"label_counts": "flip_rate"}
PREFIX = "by_round/"


def layout(names: Iterable[str]) -> dict[str, dict[str, list[object]]]:
    """Return the layout of those charts that have something to show.

    Args:
        names: Metrics of a round.

    Example:
        >>> layout(["rows", "seconds"])
        {'Rounds': {'rows': ['Multiline', ['by_round/rows']]}, 'Cost': {'seconds of a round': ['Multiline', ...]}}
    """
    known = [*names]
    known += [later for first, later in LATER.items() if first in known and later not in known]
    found: dict[str, dict[str, list[object]]] = {}
    for category, charts in CHARTS.items():
        for title, wanted in charts.items():
            tags = [f"{PREFIX}{name}" for pattern in wanted for name in _matching(pattern, known)]
            if tags:
                found.setdefault(category, {})[title] = ["Multiline", tags]
    return found


def _matching(pattern: str, names: list[str]) -> list[str]:
    """Return the metrics that a pattern means; a loss has another scale, and stands with losses alone."""
    return [name for name in names if fnmatch(name, pattern) and ("loss" in name) == ("loss" in pattern)]
