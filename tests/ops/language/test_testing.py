import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.ops.language.testing import END, candidates


def test_candidates_are_like_those_of_sample():
    table = candidates(["ab", "c~", "d"], ["x", "x", "y"], **{"scores.a": [1, 0, 1]}, final=["a", None, "b"])
    assert table["candidate"].to_pylist() == [0, 1, 0]
    assert table["completion_ids"].to_pylist() == [[97, 98, END], [99], [100, END]]
    assert table["finish"].to_pylist() == ["stop", "length", "stop"]
    assert table["text"].to_pylist() == ["ab", "c", "d"]
    assert table["id"].to_pylist() == table["group"].to_pylist() == ["x", "x", "y"]
    assert table.schema.field("scores.a").type == pa.float64()
    assert table["final"].to_pylist() == ["a", None, "b"]
    assert write(table, id=[1, 2, 3]).num_rows == 3
