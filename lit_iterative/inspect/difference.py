"""``rounds diff``: what changed from one round to another."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lit_iterative.columns import Array, look_up, read
from lit_iterative.inspect import text
from lit_iterative.inspect.find import find_round
from lit_iterative.inspect.show import plain
from lit_iterative.rounds.manifest import Manifest
from lit_iterative.rounds.measure import classes_of
from lit_iterative.rounds.store import Store, Version

WIDEST_MATRIX = 20


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
    """Compare the data that two rounds serve, and how it was made; reads ids and labels alone.

    Args:
        store: The store.
        a: The first round.
        b: The second round.
        examples: Ids to return of every kind.

    Raises:
        StoreError: If a round is unknown or a shard is damaged.
        DataError: If a round has no column ``id``.
    """
    first, second = find_round(store, a), find_round(store, b)
    ids_a, class_a = _labels(first)
    ids_b, class_b = _labels(second)
    position, in_a = look_up(ids_b, ids_a)
    _, in_b = look_up(ids_a, ids_b)
    before, after = class_a[position[in_a]] if len(ids_a) else class_a, class_b[in_a]
    changed = before != after
    kinds = {"added": ids_b[~in_a], "dropped": ids_a[~in_b], "changed": ids_b[in_a][changed]}
    return Difference(
        a=a,
        b=b,
        counts={**{kind: len(ids) for kind, ids in kinds.items()}, "same": int((~changed).sum())},
        examples={kind: ids[:examples].tolist() for kind, ids in kinds.items()},
        flows=_flows(before, after, class_b[~in_a], class_a[~in_b]),
        changes=_changes(first.manifest, second.manifest),
    )


def _labels(version: Version) -> tuple[Array, Array]:
    """Return ids and classes of what a round serves, soft labels reduced shard by shard; class -1 without labels."""
    columns = ["id", *(["label"] if "label" in version.columns else [])]
    ids: list[Array] = []
    classes: list[Array] = []
    for part in version.parts(columns):
        ids.append(read(part, "id"))
        found = classes_of(part)
        classes.append(np.full(part.num_rows, -1) if found is None else found)
    return np.concatenate(ids), np.concatenate(classes)


def _flows(before: Array, after: Array, added: Array, dropped: Array) -> list[Flow]:
    """Count the ways between classes, most travelled first."""
    ways: Counter[tuple[int | None, int | None]] = Counter()
    ways.update(zip(before.tolist(), after.tolist(), strict=True))
    ways.update((None, label) for label in added.tolist())
    ways.update((label, None) for label in dropped.tolist())
    return [Flow(*way, rows) for way, rows in ways.most_common()]


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
