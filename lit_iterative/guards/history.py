"""History: the rounds of a run as guards see them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lit_iterative.rounds.manifest import Manifest
from lit_iterative.rounds.measure import MEASURED
from lit_iterative.rounds.verdict import Verdict, path

Mode = Literal["min", "max"]


@dataclass(frozen=True)
class Record:
    """One round.

    Args:
        round: Its number.
        metrics: The trainer's metrics in front of it, which tell of the weights that made it, under their own names;
            what was measured on its data, and its ``seconds``, under ``round/…``.
        verdict: What followed; nothing yet for the round that is judged.
        restorable: Whether the trainer in front of it is still in the store, so that a run can go back to it.
    """

    round: int
    metrics: Mapping[str, Any]
    verdict: Verdict = Verdict()  # noqa: RUF009  # frozen
    restorable: bool = True

    def number(self, name: str) -> float | None:
        """Return a metric that is known and a number."""
        value = self.metrics.get(name)
        return float(value) if isinstance(value, int | float) and not math.isnan(value) else None

    def knows(self, name: str) -> bool:
        """Tell whether a metric is known: a number, or a list that is not empty."""
        value = self.metrics.get(name)
        return bool(value) if isinstance(value, list) else self.number(name) is not None


@dataclass(frozen=True)
class History:
    """All rounds so far; the last is the one that is judged.

    Args:
        records: By number.

    Example:
        >>> history = History.of([{"val_accuracy": 0.5}, {"val_accuracy": 0.75}])
        >>> history.series("val_accuracy"), history.now.round
        ([0.5, 0.75], 1)
    """

    records: Sequence[Record]

    @classmethod
    def of(cls, metrics: Iterable[Mapping[str, Any]]) -> "History":
        """Return the history of rounds that all built on one another."""
        return cls([Record(round, known) for round, known in enumerate(metrics)])

    @property
    def now(self) -> Record:
        """The round that is judged."""
        return self.records[-1]

    @property
    def path(self) -> list[Record]:
        """The rounds on which the present one builds, and itself."""
        rounds = path([record.verdict.back_to for record in self.records[:-1]])
        return [*(self.records[round] for round in rounds), self.now]

    def series(self, name: str) -> list[float]:
        """Return a metric in the rounds of the path that know it; that of the present round comes last, if it does."""
        return [value for record in self.path if (value := record.number(name)) is not None]


def record(manifest: Manifest, restorable: bool = True) -> Record:
    """Return a committed round as guards see it."""
    measured = {**manifest.metrics, "seconds": manifest.seconds}
    return Record(manifest.round, joined(manifest.metrics_before, measured), manifest.verdict, restorable)


def joined(before: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of a record; what the trainer knew of the data of the round before is left out.

    Example:
        >>> joined({"val_accuracy": 0.5, "round/rows": 7.0}, {"rows": 9})
        {'val_accuracy': 0.5, 'round/rows': 9}
    """
    own = {name: value for name, value in before.items() if not name.startswith(MEASURED)}
    return {**own, **{f"{MEASURED}{name}": value for name, value in measured.items()}}


def best(values: Sequence[float], mode: Mode) -> int:
    """Return the place of the best value; of equal ones, the last.

    Example:
        >>> best([0.25, 0.75, 0.75, 0.5], "max")
        2
    """
    sign = 1 if mode == "max" else -1
    return max(range(len(values)), key=lambda place: (sign * values[place], place))


def gain(now: float, before: float, mode: Mode) -> float:
    """Return by how much a value is better than another.

    Example:
        >>> gain(0.25, 0.5, "min"), gain(0.25, 0.5, "max")
        (0.25, -0.25)
    """
    return now - before if mode == "max" else before - now
