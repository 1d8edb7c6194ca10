"""``rounds diff``: what changed from one round to another."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, classes_of, read
from lit_iterative.inspect import text
from lit_iterative.inspect.find import find_round, rows_served
from lit_iterative.inspect.matching import Match, first_of_each, match, sum_of_each
from lit_iterative.inspect.pruned import check_rows
from lit_iterative.inspect.show import plain
from lit_iterative.rounds.manifest import Manifest
from lit_iterative.rounds.store import Store

WIDEST_MATRIX = 20
#: What is compared of rows without labels.
TEXTS = ("prompt", "chosen", "rejected", "ranked", "text")


@dataclass(frozen=True)
class Flow:
    """Inputs that went from one class to another.

    Args:
        before: Class in the first round; none where the input is not in it.
        after: Class in the second round; none where the input is not in it.
        rows: How many.
    """

    before: int | None
    after: int | None
    rows: int


@dataclass(frozen=True)
class Difference:
    """What changed from round ``a`` to round ``b``.

    Args:
        a: The first round.
        b: The second round.
        counts: Inputs that were ``added``, ``dropped``, in both with the class ``changed`` or ``same``.
        examples: Some ids of each kind but the last.
        flows: How many inputs went from which class to which.
        changes: What differs in how they were made: name, then the value in each round.
    """

    a: int
    b: int
    counts: Mapping[str, int]
    examples: Mapping[str, list[Any]]
    flows: list[Flow]
    changes: Mapping[str, tuple[Any, Any]]


def compare(store: Store, a: int, b: int, examples: int = 10) -> Difference:
    """Compare the data that two rounds serve, and how it was made.

    Inputs are compared by their class; where rows have no labels, by the texts that are trained on. An input with
    several rows is compared by all of them there, and by the first of them where rows have labels. However many rows
    there are, a part of them is in memory at a time.

    Args:
        store: The store.
        a: The first round.
        b: The second round.
        examples: Ids to return of every kind, the smallest.

    Raises:
        StoreError: If a round is unknown or a shard is damaged.
        DataError: If a round has no column ``id``.
    """
    first, second = find_round(store, a), find_round(store, b)
    for version in (first, second):
        check_rows(store, version)
    counts = Counter({"added": 0, "dropped": 0, "changed": 0, "same": 0})
    found: dict[str, list[Any]] = {"added": [], "dropped": [], "changed": []}
    ways: Counter[tuple[int | None, int | None]] = Counter()
    labelled = {"label"} <= {*first.columns} & {*second.columns}
    columns = ["id", "label"] if labelled else ["id", *TEXTS]
    rows = max(rows_served(store, first), rows_served(store, second))
    for part in match(first, second, rows, columns, _content, first_of_each if labelled else sum_of_each):
        kinds = _kinds(part)
        counts.update({kind: len(ids) for kind, ids in kinds.items()})
        for kind, ids in found.items():
            found[kind] = sorted([*ids, *np.sort(kinds[kind])[:examples].tolist()])[:examples]
        ways.update(_ways(part) if labelled else {})
    flows = [Flow(*way, number) for way, number in ways.most_common()]
    return Difference(a, b, dict(counts), found, flows, _changes(first.manifest, second.manifest))


def _content(table: pa.Table, start: int) -> pa.Table:
    """Return ids and what is compared: the class, or a hash of the texts, or nothing."""
    content = classes_of(table)
    if content is None:
        texts = [table.column(name).to_pylist() for name in table.column_names if name != "id"]
        hashes = [crc32("\x1f".join(map(str, row)).encode()) for row in zip(*texts, strict=True)]
        content = np.array(hashes or [0] * table.num_rows, np.int64)
    return pa.table({"id": table.column("id"), "content": content})


def _kinds(part: Match) -> dict[str, Array]:
    """Return the ids of a part by what became of them."""
    ids, old = read(part.after, "id"), read(part.before, "id")
    before, after = read(part.before, "content"), read(part.after, "content")
    stays = part.both >= 0
    changed = np.zeros(len(ids), dtype=bool)
    changed[stays] = after[stays] != before[part.both[stays]]
    return {
        "added": ids[~stays],
        "dropped": old[part.dropped],
        "changed": ids[changed],
        "same": ids[stays & ~changed],
    }


def _ways(part: Match) -> Counter[tuple[int | None, int | None]]:
    """Count the ways between classes."""
    before, after = read(part.before, "content"), read(part.after, "content")
    stays = part.both >= 0
    ways: Counter[tuple[int | None, int | None]] = Counter()
    ways.update(zip(before[part.both[stays]].tolist(), after[stays].tolist(), strict=True))
    ways.update((None, label) for label in after[~stays].tolist())
    ways.update((label, None) for label in before[part.dropped].tolist())
    return ways


def _changes(first: Manifest, second: Manifest) -> dict[str, tuple[Any, Any]]:
    a, b = _recipe(first), _recipe(second)
    return {name: (a.get(name), b.get(name)) for name in {**a, **b} if a.get(name) != b.get(name)}


def _recipe(manifest: Manifest) -> dict[str, Any]:
    """Return all that a person decides of a round, by a dotted name; ops as they were in this round."""
    facts = {name: getattr(manifest, name) for name in ("phase", "seed", "plan", "pool", "pool_rows")}
    parameters = {
        f"ops.{place}.{op.name}.{name}": value
        for place, op in enumerate(manifest.ops)
        for name, value in op.parameters.items()
    }
    return {**facts, "ops": [op.name for op in manifest.ops], **parameters, **manifest.versions}


# ---- as text --------------------------------------------------------------------------------------------


def render_difference(difference: Difference) -> str:
    """Return the difference as text."""
    blocks = [
        f"Round {difference.a} -> round {difference.b}",
        _counts(difference),
        _flow_table(difference.flows),
        _change_table(difference),
    ]
    return "\n\n".join(block for block in blocks if block)


def _counts(difference: Difference) -> str:
    rows = [
        [kind, text.count(rows), text.short(difference.examples.get(kind, []), 60) if rows and kind != "same" else ""]
        for kind, rows in difference.counts.items()
    ]
    return text.table(["inputs", "rows", "for example"], rows)


def _flow_table(flows: list[Flow]) -> str:
    """Return a matrix of classes, or the widest ways where there are many classes."""
    classes = sorted({label for flow in flows for label in (flow.before, flow.after) if label is not None})
    if not flows or classes == [-1]:
        return ""
    if len(classes) > WIDEST_MATRIX:
        widest = [flow for flow in flows if flow.before != flow.after][:WIDEST_MATRIX]
        rows = [[_named(flow.before), _named(flow.after), text.count(flow.rows)] for flow in widest]
        return f"The {len(widest)} widest ways between classes\n" + text.table(["from", "to", "rows"], rows)
    cells = {(flow.before, flow.after): flow.rows for flow in flows}
    labels = [*classes, None]
    rows = [[_named(before), *(text.count(cells.get((before, after), 0)) for after in labels)] for before in labels]
    rows[-1][-1] = ""
    return "Classes: from (down) to (across)\n" + text.table(["", *map(str, classes), "dropped"], rows)


def _named(label: int | None) -> str:
    return "absent" if label is None else str(label)


def _change_table(difference: Difference) -> str:
    if not difference.changes:
        return "Both rounds were made in the same way."
    rows = [[name, plain(a), plain(b)] for name, (a, b) in sorted(difference.changes.items())]
    return text.table(["made with", f"round {difference.a}", f"round {difference.b}"], rows)
