"""Effect: what a system claims, as two arms and the difference between them."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Effect:
    """A claim, and how to look whether it holds.

    Args:
        recipe: The recipe of the system.
        claim: What its source claims, in a few words.
        measure: What is measured at the end of every arm; more is better.
        ours: The arm of the system.
        baseline: The arm that the source compares with.
        least: By how much the mean over seeds of ``ours`` must be above that of ``baseline``.
        run: Takes a seed and whether to be quick; returns the measure of every arm. Arms beyond the two are controls.
        seeds: What it is reported on; nothing was chosen on them.
    """

    recipe: str
    claim: str
    measure: str
    ours: str
    baseline: str
    least: float
    run: Callable[[int, bool], dict[str, float]]
    seeds: tuple[int, ...] = (200, 201, 202)
