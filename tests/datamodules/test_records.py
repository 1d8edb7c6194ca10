"""Records from files of every kind, and from data sets on disk; what is wrong with them is told."""

import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lit_iterative.datamodules.records import read_records
from lit_iterative.errors import DataError, SetupError

RECORDS = [{"prompt": "1+1=", "answer": "2"}, {"prompt": 'say "é,\n"', "answer": None}]


def written(path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def jsonl(records) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def test_jsonl(tmp_path):
    assert read_records(written(tmp_path / "a.jsonl", jsonl(RECORDS))) == RECORDS


@pytest.mark.parametrize("text", ["\n\n" + jsonl(RECORDS) + "  \n", jsonl(RECORDS).replace("\n", "\r\n").rstrip()])
def test_jsonl_with_empty_lines_and_ends_of_other_systems(tmp_path, text):
    assert read_records(written(tmp_path / "a.jsonl", text)) == RECORDS


def test_jsonl_with_separators_in_texts(tmp_path):
    records = [{"prompt": "a\u2028b\x85c\x0cd"}]
    assert read_records(written(tmp_path / "a.jsonl", jsonl(records))) == records


def test_jsonl_keeps_chats(tmp_path):
    records = [{"prompt": [{"role": "user", "content": "1+1"}], "answer": 2}]
    assert read_records(written(tmp_path / "a.jsonl", jsonl(records))) == records


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('{"prompt": ', "Line 2 of .* is not JSON"),
        (b'{"prompt": "\xff"}', "Line 2 of .* is not JSON in UTF-8"),
        ('["prompt"]', "Line 2 of .* is a list"),
        ("[" * 100_000, "Line 2 of .* is not JSON"),
    ],
    ids=["cut", "not UTF-8", "list", "deep"],
)
def test_bad_lines_are_told_by_number(tmp_path, line, wrong):
    content = b'{"prompt": "1"}\n' + (line if isinstance(line, bytes) else line.encode()) + b"\n"
    with pytest.raises(DataError, match=wrong):
        read_records(written(tmp_path / "a.jsonl", content))


def test_parquet(tmp_path):
    pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / "a.parquet")
    assert read_records(str(tmp_path / "a.parquet")) == RECORDS


@pytest.mark.parametrize("size", [0, 40, -20])
def test_parquet_that_is_none_is_told(tmp_path, size):
    pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    with pytest.raises(DataError, match="is not Parquet, or was cut off"):
        read_records(written(tmp_path / "b.parquet", whole[:size]))


def test_csv(tmp_path):
    text = '\ufeffprompt,answer\n1+1=,2\n"say ""é,\n""",\n007,"1,5"\n'
    wanted = [*RECORDS, {"prompt": "007", "answer": "1,5"}]
    assert read_records(written(tmp_path / "a.csv", text)) == wanted


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"prompt,answer\n1,2\n1,2,3\n", "Line 3 of .* another number of values"),
        (b"prompt,answer\n1,2\n1\n", "Line 3 of .* another number of values"),
        (b"prompt\n\xff\n", "is not CSV in UTF-8"),
        (b'prompt\n"1\n', "is not CSV"),
        (b"prompt\n" + b"1" * 200_000, "is not CSV"),
    ],
    ids=["more", "fewer", "not UTF-8", "open quote", "huge"],
)
def test_bad_csv_is_told(tmp_path, content, wrong):
    with pytest.raises(DataError, match=wrong):
        read_records(written(tmp_path / "a.csv", content))


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_empty_files_are_told(tmp_path, name):
    with pytest.raises(DataError, match=r"has no records. Is it the right file"):
        read_records(written(tmp_path / name, ""))


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_missing_files_are_told(tmp_path, name):
    with pytest.raises(DataError, match=f"There is no file .*{name}"):
        read_records(str(tmp_path / name))
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match="There is no file"):
        read_records(str(tmp_path / name))


def test_other_files_are_told(tmp_path):
    with pytest.raises(DataError, match=r"ends in none of \.jsonl"):
        read_records(written(tmp_path / "a.txt", "prompt"))


# ---- data sets --------------------------------------------------------------------------------------------


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    library = pytest.importorskip("datasets")
    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(library.config, "HF_HUB_OFFLINE", True)
    library.disable_progress_bars()
    return library


def test_a_data_set_that_was_saved(tmp_path, datasets):
    datasets.Dataset.from_list(RECORDS).save_to_disk(str(tmp_path / "saved"))
    assert read_records(str(tmp_path / "saved")) == RECORDS


def test_splits_that_were_saved(tmp_path, datasets):
    splits = {"train": datasets.Dataset.from_list(RECORDS), "test": datasets.Dataset.from_list(RECORDS[:1])}
    datasets.DatasetDict(splits).save_to_disk(str(tmp_path / "saved"))
    assert read_records(str(tmp_path / "saved"), "test") == RECORDS[:1]
    with pytest.raises(DataError, match=r"has the splits \['test', 'train'\], but not 'dev'"):
        read_records(str(tmp_path / "saved"), "dev")


def test_a_folder_of_jsonl(tmp_path, datasets):
    folder = tmp_path / "folder"
    folder.mkdir()
    written(folder / "train.jsonl", jsonl(RECORDS))
    written(folder / "test.jsonl", jsonl(RECORDS[:1]))
    assert read_records(str(folder)) == RECORDS
    assert read_records(str(folder), "test") == RECORDS[:1]
    with pytest.raises(DataError, match="cannot load the split 'dev'"):
        read_records(str(folder), "dev")


def test_a_folder_of_parquet(tmp_path, datasets):
    folder = tmp_path / "folder"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(RECORDS), folder / "train.parquet")
    assert read_records(str(folder)) == RECORDS


def test_a_data_set_that_is_not_there(tmp_path, datasets):
    with pytest.raises(DataError, match="datasets cannot load the split 'train' of .*missing"):
        read_records(str(tmp_path / "missing"))


def test_datasets_must_be_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(SetupError, match=r'pip install "lit-iterative\[language\]"'):
        read_records("some/data-set")
