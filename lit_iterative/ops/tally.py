"""Tally: what an op counts and measures on the side, so that nothing is dropped silently."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Tally:
    """Numbers of one op on one shard, or added up over several.

    Args:
        counts: How often each thing was seen.
        sums: For each mean, the sum of its values and how many there were.

    Example:
        >>> tally = Tally()
        >>> tally.count("ties", 2)
        >>> tally.mean("length", [3, 4, float("nan")])
        >>> tally.values()
        {'ties': 2, 'length': 3.5}
    """

    counts: dict[str, int] = field(default_factory=dict)
    sums: dict[str, tuple[float, int]] = field(default_factory=dict)

    def count(self, name: str, number: int = 1) -> None:
        """Add to a count; adding 0 makes it known that there was none."""
        self.counts[name] = self.counts.get(name, 0) + int(number)

    def mean(self, name: str, values: Any) -> None:
        """Add values, of any shape, to a mean; those that are NaN are left out."""
        array = np.asarray(values, dtype=np.float64).reshape(-1)
        array = array[~np.isnan(array)]
        total, rows = self.sums.get(name, (0.0, 0))
        self.sums[name] = (total + float(array.sum()), rows + len(array))

    def add(self, other: "Tally") -> None:
        """Add another tally's numbers to these."""
        for name, number in other.counts.items():
            self.count(name, number)
        for name, (total, rows) in other.sums.items():
            before, known = self.sums.get(name, (0.0, 0))
            self.sums[name] = (before + total, known + rows)

    def take(self) -> dict[str, Any]:
        """Return the numbers as primitives, and start again from nothing."""
        taken = {"counts": self.counts, "sums": {name: list(pair) for name, pair in self.sums.items()}}
        self.counts, self.sums = {}, {}
        return taken

    @classmethod
    def given(cls, taken: dict[str, Any]) -> "Tally":
        """Return the tally that :meth:`take` took."""
        return cls(dict(taken["counts"]), {name: (total, rows) for name, (total, rows) in taken["sums"].items()})

    def values(self) -> dict[str, float]:
        """Return counts and means by name; a mean of nothing is left out."""
        means = {name: total / rows for name, (total, rows) in self.sums.items() if rows}
        return {**self.counts, **means}
