import csv
import json
import sys

import pyarrow.parquet as pq
import pytest

from lit_iterative.errors import OptionalDependencyError, StoreError
from lit_iterative.inspect import export
from lit_iterative.rounds.store import Store
from tests.inspect.stores import commit, rows, two_rounds


def test_jsonl_has_the_rows_of_all_shards(tmp_path):
    out = tmp_path / "out.jsonl"
    assert export(two_rounds(tmp_path / "store"), str(out), round=0) == 3
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert found == [{"id": i, "label": c, "source": "Policy@abc"} for i, c in ((3, 0), (5, 1), (8, 1))]


def test_parquet_is_the_table(tmp_path):
    store, out = two_rounds(tmp_path / "store", soft=True), tmp_path / "out.parquet"
    export(store, str(out), round=0)
    assert pq.read_table(out).to_pylist() == store.open(0).table().to_pylist()


def test_csv_spreads_vectors(tmp_path):
    out = tmp_path / "out.csv"
    export(two_rounds(tmp_path / "store", soft=True), str(out), round=0)
    with out.open() as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == ["id", "label.0", "label.1", "label.2", "source"]
    assert [row["label.1"] for row in found] == ["0", "1", "1"]


def test_the_last_round_some_columns_and_a_named_format(tmp_path):
    out = tmp_path / "rows.txt"
    export(two_rounds(tmp_path / "store"), str(out), format="jsonl", columns=["label"])
    assert out.read_text() == '{"label": 1}\n{"label": 0}\n{"label": 2}\n'


def test_a_folder_of_datasets_reads_back(tmp_path):
    datasets = pytest.importorskip("datasets")
    store, out = two_rounds(tmp_path / "store", soft=True), tmp_path / "rows"
    assert export(store, str(out), round=0) == 3
    found = datasets.load_from_disk(str(out))
    assert found.to_list() == store.open(0).table().to_pylist()
    with pytest.raises(StoreError, match="is there already"):
        export(store, str(out), round=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows", "store"]


def test_a_folder_of_datasets_is_whole_or_absent(tmp_path):
    pytest.importorskip("datasets")
    store, out = two_rounds(tmp_path / "store"), tmp_path / "rows"
    (tmp_path / "store/round-00000/data/00001.parquet").unlink()
    with pytest.raises(StoreError, match="is missing"):
        export(store, str(out), round=0)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_without_datasets_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(OptionalDependencyError, match=r"lit-iterative\[language\]"):
        export(two_rounds(tmp_path / "store"), str(tmp_path / "rows"), round=0)


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "csv"])
def test_a_round_without_rows(tmp_path, ending):
    store, out = Store(tmp_path / "store"), tmp_path / f"out.{ending}"
    commit(store, [rows({}, soft=True)])
    assert export(store, str(out)) == 0
    assert out.exists()


def test_a_damaged_shard_leaves_the_old_file(tmp_path):
    store, out = two_rounds(tmp_path / "store"), tmp_path / "out.jsonl"
    out.write_text("old")
    shard = tmp_path / "store/round-00000/data/00001.parquet"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(StoreError, match="truncated"):
        export(store, str(out), round=0)
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.jsonl"]


def test_what_cannot_be_is_refused(tmp_path):
    store = two_rounds(tmp_path / "store")
    with pytest.raises(StoreError, match=r"no columns \['probs'\]\. Choose among \['id', 'label', 'source'\]"):
        export(store, str(tmp_path / "x.csv"), columns=["probs"])
    with pytest.raises(StoreError, match="names no format"):
        export(store, str(tmp_path / "x.xls"))
    with pytest.raises(StoreError, match="its folder does not exist"):
        export(store, str(tmp_path / "no/x.csv"))
