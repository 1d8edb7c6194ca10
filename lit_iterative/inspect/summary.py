"""The closing table of a run: what every round did, and what came of it beside a control."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lit_iterative.inspect import text
from lit_iterative.rounds.manifest import Manifest
from lit_iterative.rounds.store import Store

DEFAULT_MONITOR = "val_accuracy"
#: Metrics of rounds that the table shows where any round has them, and what it calls them.
SHARES = {"coverage": "coverage", "label_accuracy": "label accuracy", "flip_rate": "flips"}


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        name: What is said of it in the table.
        steps: Optimiser steps taken.
        metrics: Held-out metrics at its end.
    """

    name: str
    steps: int
    metrics: Mapping[str, float]


def chosen(names: Iterable[str], monitor: str | None = DEFAULT_MONITOR) -> list[str]:
    """Return the metrics that a table shows: the monitored one first, then all others with ``acc`` in their name.

    What is measured on the data of a round (``round/…``) and on training batches (``rewards/…``) is none of them.

    Example:
        >>> chosen(["val_loss", "test_accuracy", "val_accuracy", "round/label_accuracy", "train_acc"])
        ['val_accuracy', 'test_accuracy']
    """
    unique = dict.fromkeys(names)
    held_out = (
        name for name in unique if "acc" in name.lower() and not name.startswith(("round/", "rewards/", "train"))
    )
    first = [monitor] if monitor in unique else []
    return [name for name in dict.fromkeys([*first, *sorted(held_out)]) if name is not None]


def summarise(store: Store, monitor: str = DEFAULT_MONITOR, outcomes: Sequence[Outcome] = ()) -> str:
    """Return the closing table: a row for every committed round, then one for every way to train.

    Args:
        store: The store.
        monitor: The held-out metric that is shown before and after every round; where it was not logged, the
            first with ``acc`` in its name.
        outcomes: Runs to show beside each other; the last is what the others are compared with.

    Example:
        >>> summarise(Store("no/such/folder"))
        'No round was made.'
    """
    manifests = [version.manifest for version in store.versions()]
    rounds = _round_table(manifests, store.final_metrics(), monitor) if manifests else "No round was made."
    return "\n\n".join([rounds, _outcome_table(outcomes, monitor)]) if outcomes else rounds


def _round_table(manifests: list[Manifest], final: Mapping[str, float], monitor: str) -> str:
    metrics = [manifest.metrics_before for manifest in manifests] + [final]
    names = chosen((name for before in metrics for name in before), monitor)[:1]
    known = {name for manifest in manifests for name in manifest.metrics}
    shares = {name: said for name, said in SHARES.items() if name in known}
    head = ["round", "from epoch", "rows", *shares.values()]
    for name in names:
        head += [f"{name} before", "after"]
    rows = [
        [
            str(manifest.round),
            text.count(manifest.epoch),
            text.count(manifest.rows),
            *(text.share(manifest.metrics.get(name)) for name in shares),
            *(text.number(before.get(name)) for name in names for before in metrics[place : place + 2]),
        ]
        for place, manifest in enumerate(manifests)
    ]
    return text.table(head, rows)


def _outcome_table(outcomes: Sequence[Outcome], monitor: str) -> str:
    names = chosen((name for outcome in outcomes for name in outcome.metrics), monitor)
    rows = [
        [outcome.name, text.count(outcome.steps), *(text.number(outcome.metrics.get(name)) for name in names)]
        for outcome in outcomes
    ]
    if len(outcomes) == 2:
        rows.append(["difference", "", *(_gain(outcomes[0], outcomes[1], name) for name in names)])
    return text.table(["the same model", "steps", *names], rows)


def _gain(one: Outcome, other: Outcome, name: str) -> str:
    if name not in one.metrics or name not in other.metrics:
        return "-"
    return f"{one.metrics[name] - other.metrics[name]:+.4f}"
