"""Pick rows of a round to look at: at random, the best, the worst, those that changed most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lit_iterative.columns import Array, classes_of, read
from lit_iterative.errors import StoreError
from lit_iterative.inspect.find import rows_served
from lit_iterative.inspect.matching import Match, match
from lit_iterative.inspect.pruned import check_rows
from lit_iterative.rounds.layout import folder
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.version import Version

By = Literal["random", "best", "worst", "changed"]
OTHER_CLASS = 1000.0  # more than any change of a score
MARGIN = "margin"  # chosen_score - rejected_score
#: By what rows are ordered, the first that is there.
SCORES = (MARGIN, "chosen_score", "scores.confidence", "score", "weight")


@dataclass(frozen=True)
class Picked:
    """A row.

    Args:
        row: Its columns.
        value: What it was picked by; none for one at random.
        before: The columns of the same input in the round before, for one that changed.
    """

    row: dict[str, Any]
    value: float | None = None
    before: dict[str, Any] | None = None


def score_of(columns: Sequence[str]) -> str | None:
    """Return by what rows with these columns are ordered, or none where nothing of them is a score.

    Example:
        >>> score_of(["id", "chosen_score", "rejected_score"]), score_of(["id", "scores.vote"]), score_of(["id"])
        ('margin', 'scores.vote', None)
    """
    known = [*columns, *([MARGIN] if {"chosen_score", "rejected_score"} <= set(columns) else [])]
    others = sorted(name for name in known if name.startswith("scores."))
    return next((name for name in (*SCORES[:4], *others, *SCORES[4:]) if name in known), None)


def pick(
    store: Store, version: Version, by: By = "random", rows: int = 5, score: str | None = None, seed: int = 0
) -> list[Picked]:
    """Return some rows that a round serves; a part of all rows is in memory at a time.

    Args:
        store: The store.
        version: The round.
        by: ``random``, ``best``, ``worst``, or ``changed``: other labels first, then other scores, than in the round
            before.
        rows: How many.
        score: Column that orders them, or ``margin`` of pairs; the most telling one when left out.
        seed: For ``random``.

    Raises:
        StoreError: If the rows were pruned or are damaged, there is no such score, or no round before.
    """
    check_rows(store, version)
    if by == "random":
        total = rows_served(store, version)
        draw = np.random.default_rng([version.round, seed])
        places = draw.choice(total, min(rows, total), replace=False)
        return [Picked(row) for row in fetch(store, version, np.sort(places))]
    score = _known_score(version, score)
    if by == "changed":
        return _changed(store, version, rows, score)
    places, values = _extremes(version, rows, score, -1.0 if by == "best" else 1.0)
    found = fetch(store, version, places)
    return [Picked(row, float(value)) for row, value in zip(found, values, strict=True)]


def _known_score(version: Version, score: str | None) -> str:
    found = score or score_of(version.columns)
    needed = {"chosen_score", "rejected_score"} if found == MARGIN else {found}
    if found is None or not needed <= set(version.columns):
        raise StoreError(
            f"Round {version.round} has no score {score!r}; give --score one of its columns {version.columns}."
            if score
            else f"Round {version.round} has no score among its columns {version.columns}; name one with --score."
        )
    return found


def columns_of(score: str) -> list[str]:
    """Return the columns that a score is read from."""
    return ["chosen_score", "rejected_score"] if score == MARGIN else [score]


def values_of(table: pa.Table, score: str) -> Array:
    """Return the score of each row, NaN where there is none, shape ``(rows,)``."""
    first, *others = (
        pc.fill_null(table.column(name).cast(pa.float64()), float("nan")).to_numpy() for name in columns_of(score)
    )
    value: Array = first - others[0] if others else first
    return value


def _extremes(version: Version, rows: int, score: str, sign: float) -> tuple[Array, Array]:
    """Return positions and values of the rows with the smallest ``sign * value``, one of each input.

    Rows without a value are left out.
    """
    best: list[tuple[float, int, Any]] = []
    start = 0
    for part in version.parts(["id", *columns_of(score)]):
        values, ids = values_of(part, score), part.column("id")
        at = np.flatnonzero(~np.isnan(values))
        at = at[np.argsort(sign * values[at], kind="stable")]
        _, first = np.unique(ids.take(pa.array(at)).to_numpy(), return_index=True)
        at = at[np.sort(first)][:rows]
        found = zip(values[at].tolist(), (start + at).tolist(), ids.take(pa.array(at)).to_pylist(), strict=True)
        unique: dict[Any, tuple[float, int, Any]] = {}
        for one in sorted([*best, *found], key=lambda one: sign * one[0]):
            unique.setdefault(one[2], one)
        best, start = list(unique.values())[:rows], start + part.num_rows
    return np.array([place for _, place, _ in best], np.int64), np.array([value for value, _, _ in best])


def fetch(store: Store, version: Version, places: Array) -> list[dict[str, Any]]:
    """Return the rows at these positions of what a round serves, in this order; other shards are not read."""
    found: dict[int, dict[str, Any]] = {}
    served = version.manifest.serves
    shards = [] if served is None else store.open(served).manifest.shards
    bounds = np.cumsum([0, *(shard.rows for shard in shards)])
    for place, shard in enumerate(shards):
        inside = np.unique(places[(places >= bounds[place]) & (places < bounds[place + 1])])
        if len(inside):
            table = store.files.read_table(f"{folder(served or 0)}/{shard.name}")
            found.update(zip(inside.tolist(), table.take(pa.array(inside - bounds[place])).to_pylist(), strict=True))
    return [found[place] for place in places.tolist()]


# ---- what changed ---------------------------------------------------------------------------------------


def _changed(store: Store, version: Version, rows: int, score: str) -> list[Picked]:
    path = store.path(version.round)
    if not path:
        raise StoreError(f"Round {version.round} follows no other, so that nothing has changed. Choose a later round.")
    old = store.open(path[-1])
    check_rows(store, old)
    best: list[tuple[float, int, int]] = []
    columns = ["id", *(["label"] if "label" in version.columns else []), *columns_of(score)]
    total = max(rows_served(store, old), rows_served(store, version))
    for part in match(old, version, total, columns, partial(_numbered, score=score)):
        best = sorted([*best, *_ranked(part, rows)], key=lambda found: -found[0])[:rows]
    after = fetch(store, version, np.array([place for _, place, _ in best], np.int64))
    before = fetch(store, old, np.array([place for _, _, place in best], np.int64))
    return [Picked(row, _change(value), past) for (value, _, _), row, past in zip(best, after, before, strict=True)]


def _numbered(table: pa.Table, start: int, score: str) -> pa.Table:
    """Return of each row its id, class and score, and where in its round it stands."""
    classes = classes_of(table)
    known = set(columns_of(score)) <= set(table.column_names)
    return pa.table(
        {
            "id": table.column("id"),
            "class": np.full(table.num_rows, -1) if classes is None else classes,
            "value": values_of(table, score) if known else np.full(table.num_rows, np.nan),
            "place": np.arange(start, start + table.num_rows),
        }
    )


def _ranked(part: Match, rows: int) -> Iterator[tuple[float, int, int]]:
    """Yield how much, and where, the rows of a part changed most; one whose class changed counts for 1,000 more."""
    stays = np.flatnonzero(part.both >= 0)
    now, past = part.after.take(pa.array(stays)), part.before.take(pa.array(part.both[stays]))
    moved = np.abs(read(now, "value") - read(past, "value"))
    moved = np.where(np.isnan(moved), 0.0, moved) + OTHER_CLASS * (read(now, "class") != read(past, "class"))
    for row in np.argsort(-moved, kind="stable")[:rows].tolist():
        if moved[row] > 0:
            yield float(moved[row]), int(read(now, "place")[row]), int(read(past, "place")[row])


def _change(value: float) -> float:
    return value - OTHER_CLASS if value >= OTHER_CLASS else value
