import pyarrow as pa
import pytest

from lit_iterative.errors import DataError
from lit_iterative.ops.language import Replay
from lit_iterative.ops.language.testing import candidates, completed
from lit_iterative.testing.fixtures import Past
from tests.ops.language.tables import run


def pairs(rows):
    texts = [text for _, text in rows]
    return pa.table(
        {"id": [key for key, _ in rows], "rejected": texts, "rejected_ids": [completed(text) for text in texts]}
    )


def test_what_was_rejected_stands_behind_what_is_drawn():
    table = candidates(["a", "b~", "c"], [0, 0, 1], **{"scores.reward": [1, 2, 3]})
    made, counts = run(Replay(), table, previous=Past(0, pairs([(0, "x"), (1, "y"), (0, "z"), (0, "x"), (7, "q")])))
    rows = made.to_pylist()
    assert [(row["id"], row["candidate"], row["text"], row["drawn"]) for row in rows] == [
        (0, 0, "a", "now"),
        (0, 1, "b", "now"),
        (0, 2, "x", "before"),
        (0, 3, "z", "before"),
        (1, 0, "c", "now"),
        (1, 1, "y", "before"),
    ]
    assert [row["completion_ids"] for row in rows][2] == completed("x")
    assert [row["finish"] for row in rows] == ["stop", "length", "stop", "stop", "stop", "stop"]
    assert [row["group"] for row in rows] == [0, 0, 0, 0, 1, 1]
    assert counts == {"replayed": 3}


def test_the_first_round_has_nothing_to_replay():
    made, counts = run(Replay(), candidates(["a", "b"]))
    assert made["drawn"].to_pylist() == ["now", "now"]
    assert counts == {"replayed": 0}


def test_rounds_of_other_rows_are_refused():
    with pytest.raises(DataError, match="Give it rounds of pairs"):
        run(Replay(), candidates(["a"]), previous=Past(0, candidates(["b"])))
