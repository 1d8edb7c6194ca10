"""``rounds show``: what a round made, kept and dropped, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lit_iterative.inspect import text
from lit_iterative.inspect.find import find_round
from lit_iterative.inspect.listing import Status, status_of
from lit_iterative.inspect.pruned import is_pruned
from lit_iterative.rounds.manifest import OpCount
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.version import Version

MOST_SHARDS = 20
HASHES = ("key", "plan", "weights", "pool", "previous")


@dataclass(frozen=True)
class FunnelRow:
    """What one op let through.

    Args:
        op: Its class.
        rows_in: Rows that it was given.
        rows_out: Rows that it returned.
        dropped: Rows that are gone; negative where it added some.
        seconds: Time spent in it.
        parameters: Its parameters in this round.
        measured: What it counted and measured on the side, such as rows dropped by reason.
    """

    op: str
    rows_in: int
    rows_out: int
    dropped: int
    seconds: float
    parameters: Mapping[str, Any]
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RoundView:
    """A round in full.

    Args:
        round: Its number.
        status: Whether it has rows.
        phase: Name of its phase.
        epoch: Epoch in front of which it was made.
        global_step: Optimiser steps before it.
        seed: Seed of the run.
        pool: Inputs in the pool.
        rows: Rows that it made.
        serves: The round whose data is served.
        seconds: Time from the start to the commit.
        funnel: What every op let through.
        metrics: What was measured on the data.
        metrics_before: The trainer's metrics when the round started.
        hashes: Hashes of what decided the data.
        versions: Versions of the packages that made it.
        shards: Name, rows, bytes and hash of every file.
        sample: The first rows that are served.
    """

    round: int
    status: Status
    phase: str
    epoch: int
    global_step: int
    seed: int
    pool: int
    rows: int
    serves: int | None
    seconds: float
    funnel: list[FunnelRow]
    metrics: Mapping[str, Any]
    metrics_before: Mapping[str, float]
    hashes: Mapping[str, str | None]
    versions: Mapping[str, str]
    shards: list[Mapping[str, Any]]
    sample: list[Mapping[str, Any]]


def show_round(store: Store, round: int | None = None, rows: int = 0) -> RoundView:
    """Return all that is known of a round.

    Args:
        store: The store.
        round: Number of the round; the last one when left out.
        rows: Rows of data to return; only as many shards are read as they need.

    Raises:
        StoreError: If the round is unknown, or a shard that is read is damaged.
    """
    version = find_round(store, round)
    manifest = version.manifest
    return RoundView(
        round=manifest.round,
        status=status_of(store, manifest),
        phase=manifest.phase,
        epoch=manifest.epoch,
        global_step=manifest.global_step,
        seed=manifest.seed,
        pool=manifest.pool_rows,
        rows=manifest.rows,
        serves=manifest.serves,
        seconds=manifest.seconds,
        funnel=[_funnel_row(op) for op in manifest.ops],
        metrics=manifest.metrics,
        metrics_before=manifest.metrics_before,
        hashes={name: getattr(manifest, name) for name in HASHES},
        versions=manifest.versions,
        shards=[dict(vars(shard)) for shard in manifest.shards],
        sample=[] if is_pruned(store, version) else first_rows(version, rows),
    )


def _funnel_row(op: OpCount) -> FunnelRow:
    return FunnelRow(op.name, op.rows_in, op.rows_out, op.rows_in - op.rows_out, op.seconds, op.parameters, op.measured)


def first_rows(version: Version, rows: int) -> list[Mapping[str, Any]]:
    """Return the first rows that a round serves, reading no more shards than needed."""
    found: list[Mapping[str, Any]] = []
    parts = version.parts() if rows > 0 else iter(())
    for part in parts:
        found += part.slice(0, rows - len(found)).to_pylist()
        if len(found) >= rows:
            break
    return found


# ---- as text --------------------------------------------------------------------------------------------


def render_round(view: RoundView) -> str:
    """Return a round as text."""
    blocks = [
        _title(view),
        _titled("Funnel", _funnel(view.funnel)),
        _titled("Measured on the data", _pairs(view.metrics)),
        _titled("The trainer before the round", _pairs(view.metrics_before)),
        _titled("Hashes", _pairs(view.hashes)),
        _titled("Made with", _pairs(view.versions)),
        _titled("Shards", _shards(view.shards)),
        _titled("First rows", _sample(view.sample)),
    ]
    return "\n\n".join(block for block in blocks if block)


def _title(view: RoundView) -> str:
    lines = [
        f"Round {view.round} ({view.status}), phase {view.phase}: made before epoch {view.epoch}, after "
        f"{text.count(view.global_step)} optimiser steps, in {text.seconds(view.seconds)}, seed {view.seed}.",
        f"{text.count(view.rows)} rows from a pool of {text.count(view.pool)}.",
    ]
    if view.serves is None:
        lines.append("It made no rows, nor did any round before: labelled data alone is served.")
    elif view.serves != view.round:
        lines.append(f"It made no rows: those of round {view.serves} are served.")
    return "\n".join(lines)


def _titled(title: str, body: str) -> str:
    return f"{title}\n{body}" if body else ""


def _funnel(funnel: list[FunnelRow]) -> str:
    rows = [
        [
            row.op,
            text.count(row.rows_in),
            text.count(row.rows_out),
            text.count(row.dropped),
            text.share(row.rows_out / row.rows_in) if row.rows_in else "-",
            text.seconds(row.seconds),
            ", ".join(f"{name}={plain(value)}" for name, value in row.parameters.items()),
        ]
        for row in funnel
    ]
    return text.table(["op", "rows in", "rows out", "dropped", "kept", "time", "parameters"], rows) if rows else ""


def plain(value: Any) -> str:
    """Return a parameter as a person would write it.

    Example:
        >>> plain({"class_path": "lit_iterative.ops.actors.Policy", "init_args": {}}), plain(0.95)
        ('Policy()', '0.95')
    """
    if isinstance(value, Mapping) and "class_path" in value:
        arguments = ", ".join(f"{name}={plain(part)}" for name, part in value.get("init_args", {}).items())
        return f"{str(value['class_path']).rpartition('.')[2]}({arguments})"
    if isinstance(value, list):
        return "[" + ", ".join(plain(part) for part in value) + "]"
    return text.number(value) if isinstance(value, float) else str(value)


def _pairs(values: Mapping[str, Any]) -> str:
    width = max(map(len, values), default=0)
    return "\n".join(f"  {name.ljust(width)}  {text.short(value, 80)}" for name, value in sorted(values.items()))


def _shards(shards: list[Mapping[str, Any]]) -> str:
    first = shards[:MOST_SHARDS]
    rows = [[s["name"], text.count(s["rows"]), text.count(s["bytes"]), s["sha256"][:16]] for s in first]
    rest = f"\nand {len(shards) - len(first):,} more" if len(first) < len(shards) else ""
    return text.table(["file", "rows", "bytes", "sha256"], rows) + rest if rows else ""


def _sample(sample: list[Mapping[str, Any]]) -> str:
    if not sample:
        return ""
    return text.table(list(sample[0]), [[text.short(value) for value in row.values()] for row in sample])
