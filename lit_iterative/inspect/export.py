"""``rounds export``: the rows that a round serves, as one file, or as a folder of ``datasets``."""

import os
from collections.abc import Callable, Iterator
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as pq

from lit_iterative.errors import StoreError
from lit_iterative.inspect.dataset_folder import save_dataset
from lit_iterative.inspect.find import find_round
from lit_iterative.inspect.pruned import check_rows
from lit_iterative.inspect.text import to_json
from lit_iterative.inspect.whole_file import whole_file
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.version import Version

Format = Literal["jsonl", "parquet", "csv", "datasets"]
ROWS_AT_ONCE = 4096


def export(
    store: Store, output: str, round: int | None = None, format: Format | None = None, columns: list[str] | None = None
) -> int:
    """Write the rows that a round serves; what is written is whole or absent, and one shard is in memory at a time.

    Args:
        store: The store.
        output: Path of the file; one that exists is replaced. For ``datasets`` a new folder, which
            ``datasets.load_from_disk`` reads.
        round: Number of the round; the last one when left out.
        format: Form of the file; by its ending when left out, where none is a folder of ``datasets``. In ``csv`` a
            vector becomes one column for each part (``probs.0``, ``probs.1``, …).
        columns: Columns to write; all when left out.

    Returns:
        Rows written.

    Raises:
        StoreError: If the round, a column or the format is unknown, a shard is damaged, or the folder is there.
        OptionalDependencyError: If ``datasets`` is not installed and needed.
    """
    version = find_round(store, round)
    check_rows(store, version)
    form = format or _format_of(output)
    wanted = _wanted(version, columns)
    rows = 0

    def counted() -> Iterator[pa.Table]:
        nonlocal rows
        for part in version.parts(wanted):
            rows += part.num_rows
            yield part.select(wanted).replace_schema_metadata(None)

    if form == "datasets":
        save_dataset(counted(), output)
        return rows
    with whole_file(output) as file:
        WRITERS[form](counted(), file)
    return rows


def _format_of(output: str) -> Format:
    ending = os.path.splitext(output)[1].lower()
    formats: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".csv": "csv"}
    formats[""] = "datasets"
    if ending not in formats:
        raise StoreError(f"The ending of {output} names no format. Give --format jsonl, parquet, csv or datasets.")
    return formats[ending]


def _wanted(version: Version, columns: list[str] | None) -> list[str]:
    known = version.columns
    unknown = [name for name in columns or [] if name not in known]
    if unknown:
        raise StoreError(f"Round {version.round} has no columns {unknown}. Choose among {known}.")
    return columns or known


# ---- the forms ------------------------------------------------------------------------------------------


def _write_jsonl(parts: Iterator[pa.Table], file: IO[bytes]) -> None:
    for part in parts:
        for batch in part.to_batches(ROWS_AT_ONCE):
            file.writelines(f"{to_json(row, indent=None)}\n".encode() for row in batch.to_pylist())


def _write_parquet(parts: Iterator[pa.Table], file: IO[bytes]) -> None:
    first = next(parts)
    with pq.ParquetWriter(file, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for part in parts:
            writer.write_table(part.cast(first.schema))


def _write_csv(parts: Iterator[pa.Table], file: IO[bytes]) -> None:
    first = _flat(next(parts))
    with csv.CSVWriter(file, first.schema) as writer:
        writer.write_table(first)
        for part in parts:
            writer.write_table(_flat(part))


def _flat(table: pa.Table) -> pa.Table:
    """Spread vectors over columns and spell out dictionaries, which CSV does not know."""
    flat: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_fixed_size_list(kind):
            parts = {f"{name}.{place}": pc.list_element(column, place) for place in range(kind.list_size)}
            flat.update(parts)
        elif pa.types.is_nested(kind):
            flat[name] = pa.array([to_json(value, indent=None) for value in column.to_pylist()], pa.string())
        else:
            flat[name] = column.cast(kind.value_type) if pa.types.is_dictionary(kind) else column
    return pa.table(flat)


WRITERS: dict[str, Callable[[Iterator[pa.Table], IO[bytes]], None]] = {
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
    "csv": _write_csv,
}
