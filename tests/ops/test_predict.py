import numpy as np
import pyarrow as pa
import pytest
import torch

from lit_iterative.columns import read
from lit_iterative.errors import DataError
from lit_iterative.ops import Ensemble, Policy, Predict, TestTimeAugmentation
from lit_iterative.ops.context import Context
from lit_iterative.pool import Pool

WEIGHT = torch.tensor([[1.0, -0.5, 0.2], [0.3, 0.8, -1.0]])


class Forward:
    """A stand-in for the model: logits are inputs times a matrix; counts its passes."""

    def __init__(self):
        self.batches = []

    def run(self, batch, index, members, *seed):
        self.batches.append(batch.clone())
        return [(member.view or (lambda x: x))(batch) @ WEIGHT * (number + 1) for number, member in enumerate(members)]


class Rank:
    rank, world_size = 0, 2

    def __init__(self, longest):
        self.longest = longest

    def max(self, value):
        return max(value, self.longest)


def inputs(rows):
    return torch.randn(rows, 2, generator=torch.Generator().manual_seed(0))


def context(rows=11, size=4, ids=None, **more):
    return Context(Pool(list(inputs(rows)), size, ids=ids), forward=Forward(), **more)


def softmax(logits):
    exp = np.exp(np.asarray(logits, dtype=np.float64))
    return exp / exp.sum(axis=1, keepdims=True)


def shards(*parts):
    return [pa.table({"id": np.array(part)}) for part in parts]


def test_probabilities_against_float64():
    given = context()
    (table,) = Predict(keep_logits=True).map(shards(range(11)), given)
    logits = inputs(11).double() @ WEIGHT.double()
    np.testing.assert_allclose(read(table, "logits"), logits, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(read(table, "probs"), softmax(logits), rtol=1e-5, atol=1e-6)
    assert read(table, "probs").dtype == np.float32
    assert table["source"].to_pylist() == ["Policy"] * 11


def test_members_are_averaged_as_probabilities():
    (table,) = Predict(Ensemble([Policy(), Policy()]), keep_members=True).map(shards(range(5)), context(5))
    each = [softmax(inputs(5).double() @ WEIGHT.double() * k) for k in (1, 2)]
    np.testing.assert_allclose(read(table, "probs"), (each[0] + each[1]) / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(read(table, "members"), np.concatenate(each, axis=1), rtol=1e-5, atol=1e-6)


def test_views_change_the_inputs():
    actor = TestTimeAugmentation([torch.neg], keep_original=False)
    (table,) = Predict(actor).map(shards(range(5)), context(5))
    np.testing.assert_allclose(read(table, "probs"), softmax(-(inputs(5) @ WEIGHT)), rtol=1e-5, atol=1e-6)


def test_batches_never_cross_shards():
    given = context()
    tables = list(Predict().map(shards(range(6), range(6, 11)), given))
    assert [len(batch) for batch in given.forward.batches] == [4, 2, 4, 1]
    assert [table.num_rows for table in tables] == [6, 5]


def test_ids_choose_the_inputs():
    given = context(ids=[f"id{i}" for i in range(11)])
    (table,) = Predict().map([pa.table({"id": ["id7", "id2"]})], given)
    np.testing.assert_allclose(read(table, "probs"), softmax(inputs(11)[[7, 2]] @ WEIGHT), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mine", [[], [range(3)], [range(6), range(6, 11)]])
def test_every_rank_does_as_many_passes(mine):
    given = context(ranks=Rank(longest=6))
    tables = list(Predict().map(shards(*mine), given))
    assert len(given.forward.batches) == 6
    assert [table.num_rows for table in tables] == [len(part) for part in mine]


def test_a_shard_without_rows_has_all_columns():
    empty = pa.table({"id": pa.array([], pa.int64())})
    (table,) = Predict().map([empty], context())
    assert table.num_rows == 0
    assert read(table, "probs").shape == (0, 3)


def test_progress_is_told():
    told = []
    list(Predict().map(shards(range(6), range(6, 11)), context(progress=lambda *done: told.append(done))))
    assert told == [(6, 11), (11, 11)]


def test_kept_logits_need_logits():
    with pytest.raises(DataError, match="keep_logits needs a model that returns logits"):
        Predict(output="probs", keep_logits=True)
