"""Records: dictionaries read from JSONL, CSV and Parquet files and from data sets of the ``datasets`` library."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.csv as csv
import pyarrow.parquet as pq

from lit_iterative.errors import DataError, SetupError

Record = dict[str, Any]


def read_records(source: str, split: str = "train") -> list[Record]:
    """Return the records of a file, or of a data set.

    Args:
        source: A path that ends in ``.jsonl``, ``.csv`` or ``.parquet``; else the id of a data set on the Hugging Face
            hub, or a folder that ``datasets`` loads or that ``save_to_disk`` wrote.
        split: Of a data set.

    Raises:
        DataError: If there is no such file, or it is not what its name says.
        SetupError: If ``datasets`` is needed and not installed.
    """
    path = Path(source)
    reader = READERS.get(path.suffix)
    if reader is None:
        return _data_set(source, split)
    if not path.is_file():
        raise DataError(f"There is no file {source}. Paths are relative to the folder that the command is started in.")
    return reader(path)


def _jsonl(path: Path) -> list[Record]:
    records = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:  # bad JSON, or bytes that are not UTF-8
            raise DataError(
                f"Line {number} of {path} is not JSON in UTF-8 ({error}). Mend it or take it out."
            ) from error
        if not isinstance(record, dict):
            raise DataError(f"Line {number} of {path} is a {type(record).__name__}. Give one JSON object a line.")
        records.append(record)
    return records


def _parquet(path: Path) -> list[Record]:
    records: list[Record] = pq.read_table(path).to_pylist()
    return records


def _csv(path: Path) -> list[Record]:
    records: list[Record] = csv.read_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True)).to_pylist()
    return records


READERS: dict[str, Callable[[Path], list[Record]]] = {".jsonl": _jsonl, ".parquet": _parquet, ".csv": _csv}


def _data_set(source: str, split: str) -> list[Record]:
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise SetupError(
            f'{source} is no .jsonl, .csv or .parquet file, so it is read with datasets. Install it: pip install "lit-iterative'
            '[language]".'
        ) from error
    saved = Path(source, "state.json").is_file() or Path(source, "dataset_dict.json").is_file()
    found = datasets.load_from_disk(source) if saved else datasets.load_dataset(source, split=split)
    if isinstance(found, datasets.DatasetDict):
        if split not in found:
            raise DataError(f"{source} has the splits {sorted(found)}, but not {split!r}. Name one of them.")
        found = found[split]
    return [dict(record) for record in found]
