"""The suite for merges fails on merges that break a promise."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from lit_iterative.columns import read, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.merge import Merge, Replace
from lit_iterative.testing import MERGE_CHECKS, MergeCase, check_merge
from tests.testing.broken_ops import BREAKS, seen


@dataclass(frozen=True)
class Invents(Replace):
    """Makes up an input."""

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        return write(new, id=read(new, "id") + 1000)


@dataclass(frozen=True)
class Shuffles(Replace):
    """Draws at random."""

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        return new.take(np.random.permutation(new.num_rows))


@dataclass(frozen=True)
class ByRank(Replace):
    """Keeps the first rows of what has come, more of them each time it is asked."""

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        seen.append(1)
        return new.slice(0, 3 + len(seen) % 5)


@dataclass(frozen=True)
class NeedsOld(Replace):
    """Forgets that there is a first round."""

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        return pa.concat_tables([new, old])


@dataclass(frozen=True)
class Drops(Replace):
    """Loses a column."""

    def __call__(self, new: pa.Table, old: pa.Table | None, context: Context) -> pa.Table:
        return new.drop_columns(["label"])


@pytest.mark.parametrize(
    ("merge", "name", "message"),
    [
        (Invents(), "check_known_inputs", "which no row has"),
        (Invents(), "check_string_ids", "concatenate"),
        (Shuffles(), "check_deterministic", "two results"),
        (ByRank(), "check_ranks", "on two ranks"),
        (ByRank(), "check_restart", "after a crash"),
        (NeedsOld(), "check_small_tables", "NoneType"),
        (Drops(), "check_columns", "columns"),
        (Drops(), "check_required_columns", "is enough, but fails"),
        (Drops(), "check_example", "has no example"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_broken_merge_fails(merge: Merge, name: str, message: str) -> None:
    check = next(check for check in MERGE_CHECKS if check.__name__ == name)
    seen.clear()
    with pytest.raises(BREAKS, match=message):
        check(MergeCase(merge))


def test_a_sound_merge_passes() -> None:
    check_merge(Replace())
