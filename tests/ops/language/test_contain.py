"""A function that raises on some rows is counted; one that raises on all is told."""

import pyarrow as pa
import pytest

from lit_iterative.errors import DataError
from lit_iterative.ops import Context
from lit_iterative.ops.language.contain import each
from lit_iterative.pool import Pool

TABLE = pa.table({"id": ["a", "b", "c"]})


def test_errors_are_counted() -> None:
    context = Context(Pool([0], 1))
    assert each([2, 0, 1], lambda row: 2 // row, "judge", TABLE, context) == [1, None, 2]
    assert each([], lambda row: 2 // row, "judge", TABLE, context) == []
    assert context.tally.values() == {"judge_errors": 1}


def test_errors_everywhere_are_told() -> None:
    with pytest.raises(
        DataError, match="The judge raises on all 2 rows of a shard, first on the id 'b': ZeroDivisionErr"
    ):
        each([1, 2], lambda row: row // 0, "judge", TABLE, Context(Pool([0], 1)))


def test_an_interrupt_is_not_contained() -> None:
    def stop(row: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each([0], stop, "judge", TABLE, Context(Pool([0], 1)))
