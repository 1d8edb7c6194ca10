"""Which figures the data of a round allows, and what they are given."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lit_iterative.callbacks.painting import Drawing
from lit_iterative.callbacks.snapshot import Snapshot
from lit_iterative.columns import Array
from lit_iterative.pool import Pool
from lit_iterative.rounds.diagnostics import class_counts, class_flow, confusion, reliability
from lit_iterative.rounds.manifest import Manifest
from lit_iterative.rounds.version import Version

#: Kinds of completions: the column of token ids, and those that may hold the score.
SIDES = {
    "chosen": ("chosen_ids", ("chosen_score",)),
    "rejected": ("rejected_ids", ("rejected_score",)),
    "completion": ("completion_ids", ("score",)),
}
MOST_POINTS = 1000


def drawings(manifest: Manifest, now: Snapshot | None, before: Snapshot | None, pool: Pool) -> Iterator[Drawing]:
    """Yield a figure for all that is known of a round.

    Args:
        manifest: The manifest of the round.
        now: Its labels; none of an empty round.
        before: Those of the round before.
        pool: The pool, with hidden labels where they exist.
    """
    names, rows = ["pool"], [manifest.pool_rows]
    for op in manifest.ops:
        names.append(op.name)
        rows.append(op.rows_out)
    yield Drawing("rows_after_ops", manifest.round, "funnel", (names, rows))
    if now is not None and now.labels is not None:
        yield from _of_labels(manifest.round, now, now.labels, before, pool)
        yield from _of_truth(manifest.round, now, now.labels)


def _of_labels(round: int, now: Snapshot, labels: Array, before: Snapshot | None, pool: Pool) -> Iterator[Drawing]:
    """Yield the figures that need labels alone."""
    old = None if before is None else before.labels
    hidden = None if pool.truth is None else np.asarray(pool.truth)
    classes = _classes(labels, old, hidden)
    old_rows, hidden_rows = (None if part is None else class_counts(part, classes) for part in (old, hidden))
    rows = class_counts(labels, classes)
    yield Drawing("class_distribution", round, "class_distribution", (rows, old_rows, hidden_rows))
    if before is not None and old is not None:
        flow = class_flow(now.ids, labels, before.ids, old, classes)
        yield Drawing("class_flow", round, "class_flow", (flow,))


def _of_truth(round: int, now: Snapshot, labels: Array) -> Iterator[Drawing]:
    """Yield the figures that compare labels with hidden ones."""
    if now.truth is None or not (now.truth >= 0).any():
        return
    known = now.truth >= 0
    counts = confusion(now.truth, labels, _classes(labels, now.truth))
    yield Drawing("confusion", round, "confusion_matrix", (counts,))
    if now.confidence is not None:
        confidence, right = now.confidence[known], (labels == now.truth)[known]
        # What passed a threshold would all lie in one bin of [0, 1].
        low = min(0.95, np.floor(20 * confidence.min()) / 20)
        bins = reliability(confidence, right, bins=10, low=low)
        yield Drawing("reliability", round, "reliability_diagram", (bins,))


def _classes(*labels: Array | None) -> int:
    return 1 + max(int(part.max(initial=0)) for part in labels if part is not None)


def scores_by_length(version: Version) -> Iterator[Drawing]:
    """Yield the figure of scores against lengths, where completions have scores; it shows the first rows of many."""
    known = version.columns
    scored = [name for name in known if name.startswith("scores.")]
    found = {side: (ids, [s for s in (*scores, *scored) if s in known]) for side, (ids, scores) in SIDES.items()}
    usable = {side: (ids, scores[0]) for side, (ids, scores) in found.items() if ids in known and scores}
    if not usable or not version.manifest.shards:
        return
    table = _first(version, sorted({column for pair in usable.values() for column in pair}))
    points = {side: _points(table, ids, score) for side, (ids, score) in usable.items()}
    yield Drawing("scores_by_length", version.round, "scores_by_length", (points,))


def _first(version: Version, columns: list[str]) -> pa.Table:
    parts: list[pa.Table] = []
    for part in version.parts(columns):
        parts.append(part.slice(0, MOST_POINTS - sum(one.num_rows for one in parts)))
        if sum(one.num_rows for one in parts) >= MOST_POINTS:
            break
    return pa.concat_tables(parts)


def _points(table: pa.Table, ids: str, score: str) -> Array:
    """Return lengths and scores of the rows that have both, shape ``(2, rows)``."""
    lengths, scores = pc.list_value_length(table.column(ids)), table.column(score)
    both = np.stack([pc.fill_null(part.cast(pa.float64()), np.nan).to_numpy() for part in (lengths, scores)])
    points: Array = both[:, ~np.isnan(both).any(axis=0)].round(4)
    return points
