"""A run as the report tells it: its rounds, which of them was best, and what guards said."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lit_iterative.inspect.summary import DEFAULT_MONITOR, chosen
from lit_iterative.rounds.command import read_commands
from lit_iterative.rounds.manifest import Manifest
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.version import Version


@dataclass(frozen=True)
class GuardEvent:
    """What a guard said.

    Args:
        round: The round that it judged.
        guard: Its name.
        action: What it did; none where it could not judge.
        reason: Its words, with the numbers.
    """

    round: int
    guard: str
    action: str | None
    reason: str


@dataclass(frozen=True)
class Run:
    """All that is told.

    Args:
        store: The store.
        versions: Its committed rounds.
        monitor: The held-out metric by which rounds are compared; none where there is none.
        final: The metrics at the end of the fit; empty while it goes on.
        starts: How it was started, and started again.
    """

    store: Store
    versions: list[Version]
    monitor: str | None
    final: Mapping[str, float]
    starts: list[dict[str, Any]]

    @classmethod
    def of(cls, store: Store, monitor: str = DEFAULT_MONITOR) -> "Run":
        """Read a run from its store."""
        versions = list(store.versions())
        final = store.final_metrics()
        names = [name for version in versions for name in version.manifest.metrics_before]
        found = chosen([*names, *final], monitor)[:1]
        return cls(store, versions, found[0] if found else None, final, read_commands(store))

    @property
    def manifests(self) -> list[Manifest]:
        """The manifests of all rounds."""
        return [version.manifest for version in self.versions]

    @property
    def after(self) -> dict[float, float]:
        """The monitored metric after training on each round; that before the first one belongs to round -1."""
        befores = [manifest.metrics_before for manifest in self.manifests]
        found = {float(place - 1): before for place, before in enumerate(befores)}
        if self.final:
            found[float(len(befores) - 1)] = dict(self.final)
        return {round: metrics[self.monitor] for round, metrics in found.items() if self.monitor in metrics}

    @property
    def best(self) -> int | None:
        """The round after whose training the monitored metric was best."""
        trained = {round: value for round, value in self.after.items() if round >= 0}
        sign = -1 if self.monitor is not None and "loss" in self.monitor else 1
        return int(max(trained, key=lambda round: (sign * trained[round], -round))) if trained else None

    @property
    def events(self) -> list[GuardEvent]:
        """What guards said of all rounds."""
        return [
            GuardEvent(manifest.round, event.guard, event.action, event.said)
            for manifest in self.manifests
            for event in manifest.verdict.events
        ]


def series(manifests: list[Manifest]) -> dict[str, dict[float, float]]:
    """Return every number that was measured in two rounds or more, by round."""
    found: dict[str, dict[float, float]] = {}
    for manifest in manifests:
        for name, value in manifest.metrics.items():
            if isinstance(value, int | float) and value == value:
                found.setdefault(name, {})[float(manifest.round)] = float(value)
    return {name: points for name, points in found.items() if len(points) > 1}
