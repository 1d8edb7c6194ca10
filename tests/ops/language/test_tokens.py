import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.errors import DataError
from lit_iterative.ops.language.tokens import (
    column_of,
    ids_of,
    int_lists,
    keys_of,
    lengths_of,
    lists_of,
    nested_ids_of,
    repeats,
    spans,
    strings_of,
    texts_of,
)

ROWS = [[5, 2], [], [5], [5, 2], [2**31 - 1]]


def tables():
    """The same rows in one chunk, in several, cut out of more, and as int64."""
    whole = pa.table({"ids": int_lists(ROWS)})
    yield whole
    yield pa.concat_tables([whole.slice(0, 2), whole.slice(2, 0), whole.slice(2)])
    yield pa.table({"ids": int_lists([[9, 9, 9], *ROWS, [7]])}).slice(1, len(ROWS))
    yield pa.table({"ids": pa.array(ROWS, pa.list_(pa.int64()))})


@pytest.mark.parametrize("table", list(tables()))
def test_lists_are_read_however_they_lie(table):
    assert ids_of(table, "ids") == ROWS
    assert lengths_of(table, "ids").tolist() == [2, 0, 1, 2, 1]
    keys = keys_of(table, "ids")
    for i, left in enumerate(ROWS):
        for j, right in enumerate(ROWS):
            assert (keys[i] == keys[j]) == (left == right)


def test_nothing_is_read_from_nothing():
    table = pa.table({"ids": int_lists([]), "group": pa.array([], pa.int64())})
    assert ids_of(table, "ids") == []
    assert lengths_of(table, "ids").tolist() == []
    assert keys_of(table, "ids") == []
    assert spans(table) == []
    assert repeats([]).tolist() == []


def test_plain_columns_have_keys_too():
    assert keys_of(pa.table({"text": ["a", "b", "a"]}), "text") == ["a", "b", "a"]


def test_texts_come_out_of_dictionaries():
    table = pa.table({"source": pa.array(["Policy", None, "EMA"]).dictionary_encode(), "none": pa.nulls(3)})
    assert strings_of(table, "source") == ["Policy", None, "EMA"]
    assert strings_of(table, "none") == [None] * 3


@pytest.mark.parametrize("strings", [False, True])
def test_spans_cover_every_group(strings):
    draw = np.random.default_rng(0)
    names = [f"x{name}" if strings else int(name) for name in draw.permutation(20) for _ in range(draw.integers(1, 4))]
    found = spans(pa.table({"group": names}))
    assert [place for start, end in found for place in range(start, end)] == list(range(len(names)))
    assert [names[start:end] for start, end in found] == [[name] * names.count(name) for name in dict.fromkeys(names)]


def test_groups_that_stand_apart_are_refused():
    with pytest.raises(DataError, match=r"1 groups stand apart, for example of \['a'\]\. Sort the table by 'group'"):
        spans(pa.table({"group": ["a", "b", "a"]}))


def test_repeats_are_all_but_the_first():
    keys = np.random.default_rng(1).integers(0, 9, size=50).tolist()
    assert repeats(keys).tolist() == [key in keys[:place] for place, key in enumerate(keys)]


@pytest.mark.parametrize("reader", [ids_of, lengths_of, keys_of, lists_of, strings_of, texts_of, column_of])
def test_a_missing_column_is_named(reader):
    with pytest.raises(DataError, match="no column 'ids'; it has"):
        reader(pa.table({"id": [1]}), "ids")


@pytest.mark.parametrize("reader", [ids_of, lengths_of, keys_of])
def test_empty_cells_and_other_types_are_refused(reader):
    with pytest.raises(DataError, match="'ids' has 1 empty cells of 2"):
        reader(pa.table({"ids": pa.array([[1], None], pa.list_(pa.int32()))}), "ids")
    with pytest.raises(DataError, match=r"has type list<item: double>, but token ids are lists of integers"):
        reader(pa.table({"ids": [[0.5]]}), "ids")


def test_texts_must_be_texts():
    with pytest.raises(DataError, match="'text' has 1 empty cells of 2"):
        texts_of(pa.table({"text": ["a", None]}), "text")
    with pytest.raises(DataError, match="has type int64, but texts are needed"):
        strings_of(pa.table({"text": [1]}), "text")


@pytest.mark.parametrize("cells", [["a"], [[[1, 2]], None], [["a"]], [[1, 2]]], ids=repr)
def test_what_is_no_list_of_token_ids_is_refused(cells):
    with pytest.raises(DataError, match="'ranked_ids' has"):
        nested_ids_of(pa.table({"ranked_ids": cells}), "ranked_ids")
