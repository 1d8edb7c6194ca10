"""How tables are compared: NaN, strings and lists of floats count as what they are."""

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.testing.expect import ConformanceError, expect_same

FLOATS = pa.list_(pa.float32())


def compare(left: list[object], right: list[object], kind: pa.DataType, exact: bool) -> None:
    tables = [pa.table({"x": pa.array(values, kind)}) for values in (left, right)]
    expect_same(*tables, "x", exact=exact)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("left", "kind"),
    [
        ([1.5, float("nan")], pa.float64()),
        (["a", None], pa.string()),
        ([[1.0, float("nan")], [], [2.5]], FLOATS),
        ([[1], None], pa.list_(pa.int32())),
    ],
)
def test_a_column_is_as_itself(left: list[object], kind: pa.DataType, exact: bool) -> None:
    compare(left, list(left), kind, exact)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("left", "right", "kind"),
    [
        ([1.5, float("nan")], [1.5, 2.0], pa.float64()),
        (["a", None], ["a", ""], pa.string()),
        ([[1.0], [2.0, 3.0]], [[1.0, 2.0], [3.0]], FLOATS),
        ([[1.0], None], [[1.0], []], FLOATS),
        ([[1.0], [2.0]], [[1.0], [2.5]], FLOATS),
    ],
)
def test_other_columns_differ(left: list[object], right: list[object], kind: pa.DataType, exact: bool) -> None:
    with pytest.raises(ConformanceError, match="the column 'x' differs"):
        compare(left, right, kind, exact)


def test_floats_agree_in_every_bit_or_about() -> None:
    near = float(np.float32(2.0) * np.float32(1.000001))
    for kind, left, right in ((pa.float32(), [2.0], [near]), (FLOATS, [[2.0]], [[near]])):
        compare(left, right, kind, exact=False)
        with pytest.raises(ConformanceError):
            compare(left, right, kind, exact=True)
