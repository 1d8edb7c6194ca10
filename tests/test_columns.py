import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import keep, look_up, read, to_arrow, write
from lit_iterative.errors import DataError


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int32, bool])
def test_arrays_come_back_as_they_went(dtype):
    plain, matrix = np.arange(6).astype(dtype), np.arange(12).reshape(6, 2).astype(dtype)
    table = write(pa.table({"id": np.arange(6)}), plain=plain, matrix=matrix)
    assert read(table, "plain").dtype == dtype
    np.testing.assert_array_equal(read(table, "plain"), plain)
    np.testing.assert_array_equal(read(table, "matrix"), matrix)


def test_slices_and_chunks_read_their_own_rows():
    table = write(pa.table({"id": np.arange(6)}), m=np.arange(12.0).reshape(6, 2))
    np.testing.assert_array_equal(read(table.slice(2, 3), "m"), np.arange(12.0).reshape(6, 2)[2:5])
    joined = pa.concat_tables([table.slice(4, 2), table.slice(0, 1)])
    np.testing.assert_array_equal(read(joined, "m"), np.arange(12.0).reshape(6, 2)[[4, 5, 0]])


def test_a_table_without_rows_keeps_the_width_of_its_vectors():
    table = write(pa.table({"id": np.arange(3)}), m=np.zeros((3, 5)))
    assert read(table.slice(0, 0), "m").shape == (0, 5)
    assert read(table.schema.empty_table(), "m").shape == (0, 5)


def test_write_replaces_in_place():
    table = write(pa.table({"id": [1], "x": [2]}), id=np.array([9]))
    assert table.column_names == ["id", "x"]
    assert table["id"].to_pylist() == [9]


def test_a_missing_column_is_named_with_those_that_are_there():
    with pytest.raises(DataError, match=r"no column 'y'.*\['id'\].*provides it"):
        read(pa.table({"id": [1]}), "y")


def test_empty_cells_are_refused():
    with pytest.raises(DataError, match="1 empty cells of 2"):
        read(pa.table({"x": [1, None]}), "x")


def test_keep_and_to_arrow():
    assert keep(pa.table({"id": [1, 2]}), np.array([0, 1]))["id"].to_pylist() == [2]
    array = pa.array([1])
    assert to_arrow(array) is array


def test_look_up_against_a_dictionary():
    draw = np.random.default_rng(0)
    known = draw.permutation(50)[:30]
    keys = draw.integers(0, 60, 100)
    index, found = look_up(keys, known)
    places = {int(value): place for place, value in enumerate(known)}
    for key, i, f in zip(keys, index, found, strict=True):
        assert f == (int(key) in places)
        assert i == places.get(int(key), 0)


def test_look_up_of_strings_and_among_none():
    index, found = look_up(np.array(["b", "z"], dtype=object), np.array(["a", "b"]))
    assert index.tolist() == [1, 0]
    assert found.tolist() == [True, False]
    assert look_up(np.array([1]), np.array([]))[1].tolist() == [False]
