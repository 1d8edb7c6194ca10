"""Given completions as rows to train on."""

import pyarrow as pa
import pytest

from lit_iterative.ops import Context
from lit_iterative.ops.language.builders.accept_given import AcceptGiven
from lit_iterative.ops.language.tokens import IDS
from lit_iterative.pool import Pool

GIVEN = {"gold": ["4", None, "66"], "gold_ids": pa.array([[52, 2], None, [54, 54, 2]], IDS)}


def test_given_completions_are_taken_with_their_masks():
    masks = pa.array([[1.0, 0.0], None, [0.0, 1.0, 1.0]], pa.list_(pa.float32()))
    table = pa.table({"id": [7, 8, 9], **GIVEN, "gold_mask": masks, "text": ["a", "b", "c"], "weight": [0.5, 1, 2]})
    told = Context(Pool(range(10), 1))
    made = AcceptGiven()(table, told).to_pylist()
    assert [row["id"] for row in made] == [7, 9]
    assert [row["text"] for row in made] == ["4", "66"]
    assert [row["completion_ids"] for row in made] == [[52, 2], [54, 54, 2]]
    assert [row["completion_mask"] for row in made] == [[1, 0], [0, 1, 1]]
    assert [row["weight"] for row in made] == pytest.approx([0.5, 2])
    assert told.tally.values() == {"given": 2, "not_given": 1}


def test_without_masks_there_are_none():
    made = AcceptGiven()(pa.table({"id": [7, 8, 9], **GIVEN}), Context(Pool(range(10), 1)))
    assert "completion_mask" not in made.column_names
    assert made["weight"].to_pylist() == [1, 1]
