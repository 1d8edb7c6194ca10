"""Records: dictionaries read from JSONL, CSV and Parquet files and from data sets of the ``datasets`` library."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lit_iterative.errors import DataError, SetupError

Record = dict[str, Any]


def read_records(source: str, split: str = "train") -> list[Record]:
    """Return the records of a file, or of a data set.

    Args:
        source: A path that ends in ``.jsonl`` (one JSON object a line, in UTF-8), ``.csv`` (in UTF-8, with names in the
            first line; every value is a text, an empty one is missing) or ``.parquet``; else a folder that
            ``save_to_disk`` of the ``datasets`` library wrote, a folder of such files that ``datasets`` loads, or the
            id of a data set on the Hugging Face hub.
        split: Of a data set.

    Raises:
        DataError: If there is no such file, it is not what its name says, or nothing is in it.
        SetupError: If ``datasets`` is needed and not installed.
    """
    path = Path(source)
    reader = READERS.get(path.suffix)
    if reader is None and path.is_file():
        raise DataError(f"{source} ends in none of {', '.join(READERS)}. Write the records in one of these formats.")
    if reader is not None and not path.is_file():
        raise DataError(f"There is no file {source}. Paths are relative to the folder that the command is started in.")
    records = _data_set(source, split) if reader is None else reader(path)
    if not records:
        raise DataError(f"{source} has no records. Is it the right {'split' if reader is None else 'file'}?")
    return records


def _jsonl(path: Path) -> list[Record]:
    records = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:  # bad JSON, bytes that are not UTF-8, or brackets without end
            raise DataError(
                f"Line {number} of {path} is not JSON in UTF-8 ({error}). Mend it or take it out."
            ) from error
        if not isinstance(record, dict):
            raise DataError(f"Line {number} of {path} is a {type(record).__name__}. Give one JSON object a line.")
        records.append(record)
    return records


def _parquet(path: Path) -> list[Record]:
    try:
        records: list[Record] = pq.read_table(path).to_pylist()
    except pa.ArrowException as error:
        raise DataError(f"{path} is not Parquet, or was cut off ({error}). Write it again.") from error
    return records


def _csv(path: Path) -> list[Record]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            records = [_complete(record, path, reader.line_num) for record in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not CSV in UTF-8 ({error}). Write it again, or use JSONL.") from error
    return records


def _complete(record: dict[Any, Any], path: Path, line: int) -> Record:
    """Return a record that has a value for each name, and no other, with nothing in place of an empty text."""
    if None in record or None in record.values():
        raise DataError(
            f"Line {line} of {path} has another number of values than the first line has names. Put values that hold "
            "commas or line breaks in quotes."
        )
    return {name: value if value else None for name, value in record.items()}


READERS: dict[str, Callable[[Path], list[Record]]] = {".jsonl": _jsonl, ".parquet": _parquet, ".csv": _csv}


def _data_set(source: str, split: str) -> list[Record]:
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise SetupError(
            f"{source} is no .jsonl, .csv or .parquet file, so it is read with datasets. Install it: "
            'pip install "lit-iterative[language]".'
        ) from error
    saved = Path(source, "state.json").is_file() or Path(source, "dataset_dict.json").is_file()
    try:
        found = datasets.load_from_disk(source) if saved else datasets.load_dataset(source, split=split)
    except (OSError, ValueError) as error:  # not found, no connection, no such split, or files of another kind
        raise DataError(
            f"datasets cannot load the split {split!r} of {source} ({error}). Name a file, a folder or a data set that "
            "is there, or change the split."
        ) from error
    if isinstance(found, datasets.DatasetDict):
        if split not in found:
            raise DataError(f"{source} has the splits {sorted(found)}, but not {split!r}. Name one of them.")
        found = found[split]
    return [dict(record) for record in found]
