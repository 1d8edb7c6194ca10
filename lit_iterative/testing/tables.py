"""Tables to run checks on: ordinary candidates, and candidates at the edge of what can occur."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read, write
from lit_iterative.errors import PipelineError
from lit_iterative.testing.expect import is_float

ROWS, CLASSES, MEMBERS = 23, 3, 4


def candidates(columns: Sequence[str] = ("id",), rows: int = ROWS, seed: int = 0) -> pa.Table:
    """Return a table of scored candidates, with ties, in which ids neither ascend nor are positions.

    Args:
        columns: Names that must be there beside the usual ones: ``probs``, ``logits`` ``(rows, 3)``, ``members``
            ``(rows, 4 * 3)``, ``features`` ``(rows, 5)``, ``label``, ``weight``, ``scores.confidence``. Any name that
            begins with ``scores.`` is known.
        rows: Rows.
        seed: Seed of the numbers.

    Raises:
        PipelineError: If a name is unknown.

    Example:
        >>> candidates(["scores.mine"], rows=2).num_rows
        2
    """
    draw = np.random.default_rng(seed)
    distinct = np.arange(rows) % 8  # few distinct rows, so that ties lie across most cuts
    shared, own = draw.normal(size=(8, 1, CLASSES)) * 3, draw.normal(size=(8, MEMBERS, CLASSES))
    logits = (shared + own).astype(np.float32)[distinct]
    members = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    probs = members.mean(axis=1)
    known: dict[str, Array] = {
        "probs": probs,
        "logits": logits.mean(axis=1),
        "members": members.reshape(rows, MEMBERS * CLASSES),
        "features": draw.normal(size=(10, 5)).astype(np.float32)[np.arange(rows) % 10],
        "label": probs.argmax(axis=1).astype(np.int64),
        "weight": draw.uniform(0.1, 1.0, size=rows).astype(np.float32),
        "scores.confidence": probs.max(axis=1),
    }
    for name in columns:
        if name.startswith("scores.") and name not in known:
            known[name] = draw.uniform(size=rows).astype(np.float32).round(1)
        elif name not in known and name != "id":
            raise PipelineError(f"There is no example of the column {name!r}. Give a table that has it: table=...")
    ids = np.arange(rows, dtype=np.int64) * 7 % 101 + 2
    return write(pa.table({"id": ids}), **known)


def extremes(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield tables with the rows of this one whose numbers are valid, but extreme, each with its name."""
    width = table.schema.field("probs").type.list_size if "probs" in table.column_names else CLASSES
    tiny = np.full(width, 1e-38)
    tiny[0] = 1.0
    vectors = {"uniform": np.full(width, 1 / width), "one-hot": np.eye(width)[0], "tiny": tiny}
    for name, probs in vectors.items():
        yield f"{name} probabilities", _filled(table, probs, {"probs": 1.0, "members": 1.0, "logits": 0.0})
        yield f"{name} logits", _filled(table, np.log(probs + 1e-300), {"logits": 1.0})
    yield "logits of 10000", _filled(table, np.eye(width)[0] * 1e4, {"logits": 1.0})
    for value in (0.0, 1e-38, 1.0):
        yield f"scores of {value}", _constant(table, value)


def _filled(table: pa.Table, vector: Array, scale: dict[str, float]) -> pa.Table:
    """Write a vector, repeated to the width of the column, into the named columns where they are there."""
    for name, factor in scale.items():
        if name in table.column_names and pa.types.is_fixed_size_list(table.schema.field(name).type):
            old = read(table, name)
            new = np.resize(vector * factor, old.shape[1])
            table = write(table, **{name: np.broadcast_to(new, old.shape).astype(old.dtype)})
    return table


def _constant(table: pa.Table, value: float) -> pa.Table:
    names = [name for name in table.column_names if name.startswith("scores.") or name == "weight"]
    return write(table, **{name: np.full_like(read(table, name), value) for name in names})


def spoiled(table: pa.Table, row: int) -> Iterator[tuple[str, pa.Table]]:
    """Yield the table once for every column of floats, with NaN in one row of it, and the column's name."""
    for field in table.schema:
        if is_float(field.type):
            values = read(table, field.name).copy()
            values[row] = np.nan
            yield field.name, write(table, **{field.name: values})


def with_gap(table: pa.Table, name: str, row: int) -> pa.Table:
    """Return the table with an empty cell."""
    values = table.column(name).to_pylist()
    values[row] = None
    return write(table, **{name: pa.array(values, table.schema.field(name).type)})


def rolled(table: pa.Table, by: int) -> pa.Table:
    """Return the table with all but ids and groups moved down by some rows, as another round might see it."""
    order = pa.array(np.roll(np.arange(table.num_rows), by))
    moved = {name: table.column(name).take(order) for name in table.column_names if name not in ("id", "group")}
    return write(table, **moved)
