"""``rounds list``: a line for every round."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from lit_iterative.inspect import text
from lit_iterative.inspect.find import begun
from lit_iterative.inspect.pruned import pruned_files
from lit_iterative.rounds.layout import folder
from lit_iterative.rounds.manifest import Manifest
from lit_iterative.rounds.store import Store

Status = Literal["committed", "empty", "pruned", "in progress", "unreachable"]


@dataclass(frozen=True)
class RoundRow:
    """A round at a glance; what is not known is none.

    Args:
        round: Its number.
        status: ``committed``; ``empty`` where it is committed without rows; ``pruned`` where these were
            removed; ``in progress``; ``unreachable`` where a round before it is missing.
        epoch: Epoch in front of which it was made.
        phase: Name of its phase.
        pool: Inputs in the pool.
        rows: Rows of data.
        coverage: Rows over pool.
        label_accuracy: Share of right labels, where hidden labels exist.
        flip_rate: Share of inputs, also in the round before, whose class changed.
        seconds: Time from the start to the commit.
    """

    round: int
    status: Status
    epoch: int | None = None
    phase: str | None = None
    pool: int | None = None
    rows: int | None = None
    coverage: float | None = None
    label_accuracy: float | None = None
    flip_rate: float | None = None
    seconds: float | None = None


def list_rounds(store: Store) -> list[RoundRow]:
    """Return a row for every round of a store, finished or not."""
    committed = store.rounds()
    return [
        _committed(store, store.open(round).manifest)
        if round in committed
        else _unfinished(store, round, len(committed))
        for round in begun(store)
    ]


def _committed(store: Store, manifest: Manifest) -> RoundRow:
    return RoundRow(
        round=manifest.round,
        status=status_of(store, manifest),
        epoch=manifest.epoch,
        phase=manifest.phase,
        pool=manifest.pool_rows,
        rows=manifest.rows,
        coverage=manifest.metrics.get("coverage"),
        label_accuracy=manifest.metrics.get("label_accuracy"),
        flip_rate=manifest.metrics.get("flip_rate"),
        seconds=manifest.seconds,
    )


def status_of(store: Store, manifest: Manifest) -> Status:
    """Return what has become of a committed round."""
    if not manifest.shards:
        return "empty"
    return "pruned" if pruned_files(store.files, folder(manifest.round)) & {manifest.shards[0].name} else "committed"


def _unfinished(store: Store, round: int, committed: int) -> RoundRow:
    draft = store.draft(round)
    epoch = draft.facts()["epoch"] if draft.begun else None
    return RoundRow(round, "in progress" if round == committed else "unreachable", epoch)


HEAD = ("round", "epoch", "pool", "rows", "coverage", "label accuracy", "flips", "time", "phase", "status")


def render_list(rows: Iterable[RoundRow]) -> str:
    """Return the rows as a table."""
    return text.table(HEAD, [_cells(row) for row in rows])


def _cells(row: RoundRow) -> list[str]:
    return [
        str(row.round),
        text.count(row.epoch),
        text.count(row.pool),
        text.count(row.rows),
        text.share(row.coverage),
        text.share(row.label_accuracy),
        text.share(row.flip_rate),
        text.seconds(row.seconds),
        row.phase or "-",
        row.status,
    ]
