"""Rows as a folder that ``datasets.load_from_disk`` reads."""

import os
import tempfile
from collections.abc import Iterator

import pyarrow as pa

from lit_iterative.errors import OptionalDependencyError, StoreError


def save_dataset(parts: Iterator[pa.Table], output: str) -> None:
    """Write tables to a new folder, one of them in memory at a time; the folder is whole or absent.

    Args:
        parts: The tables; at least one.
        output: The folder.

    Raises:
        StoreError: If it is there, or the folder around it is not.
        OptionalDependencyError: If ``datasets`` is not installed.
    """
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise OptionalDependencyError(
            'A folder of datasets needs the package datasets: pip install "lit-iterative[language]". '
            "Or export to Parquet."
        ) from error
    place = output.rstrip("/")
    around = os.path.dirname(os.path.abspath(place))
    if os.path.exists(place):
        raise StoreError(f"{output} is there already. Name a new folder, or remove this one first.")
    if not os.path.isdir(around):
        raise StoreError(f"{output} cannot be written: its folder does not exist. Make it first.")
    with tempfile.TemporaryDirectory(dir=around, prefix=".lit-iterative-") as scratch:
        rows = os.path.join(scratch, "rows.arrow")
        first = _spelled_out(next(parts))
        with pa.OSFile(rows, "wb") as file, pa.ipc.new_stream(file, first.schema) as stream:
            stream.write_table(first)
            for part in parts:
                stream.write_table(_spelled_out(part).cast(first.schema))
        whole = os.path.join(scratch, "whole")
        datasets.disable_progress_bars()
        datasets.Dataset.from_file(rows).save_to_disk(whole)
        os.replace(whole, place)


def _spelled_out(table: pa.Table) -> pa.Table:
    """Write out dictionaries, which ``datasets`` does not know."""
    kinds = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in table.schema]
    return table.cast(pa.schema(list(zip(table.column_names, kinds, strict=True))))
