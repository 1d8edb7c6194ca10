import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler, TensorDataset

from lit_iterative.errors import DataError
from lit_iterative.pool import Pool, pool_of


def test_ids_default_to_positions():
    pool = Pool([5, 6, 7], 2)
    assert len(pool) == 3
    assert pool.keys.tolist() == [0, 1, 2]
    assert pool.positions(np.array([2, 0])).tolist() == [2, 0]


def test_own_ids_find_their_items_wherever_they_stand():
    pool = Pool([5, 6, 7], 2, ids=["x", "y", "z"])
    assert pool.positions(np.array(["z", "x"], dtype=object)).tolist() == [2, 0]
    assert pool.fingerprint != Pool([5, 6, 7], 2, ids=["y", "x", "z"]).fingerprint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": []}, "no unlabelled data.*Return a dataset"),
        ({"dataset": [1, 2, 3], "ids": [1, 2]}, "3 items but 2 ids"),
        ({"dataset": [1, 2], "truth": [1]}, "2 items but 1 truth"),
        ({"dataset": [1, 2, 3], "ids": [4, 4, 1]}, r"not unique: 1 repeated, for example \[4\].*its own id"),
        ({"dataset": iter([1])}, "no length or cannot be indexed.*map-style"),
    ],
)
def test_unusable_pools_are_refused_with_the_remedy(arguments, message):
    with pytest.raises(DataError, match=message):
        Pool(batch_size=2, **arguments)


@pytest.mark.parametrize("ids", [None, [10, 11, 12]])
def test_ids_that_are_not_in_the_pool_are_named(ids):
    with pytest.raises(DataError, match=r"1 ids are not in the pool, for example \[99\].*Keep the ids"):
        Pool([1, 2, 3], 1, ids=ids).positions(np.array([99]))


def test_the_loader_serves_exactly_the_batches_asked_for():
    loader = DataLoader(TensorDataset(torch.arange(10)), batch_size=3, shuffle=True, drop_last=True)
    served = [batch[0].tolist() for batch in pool_of(loader).loader([[9, 1], [3]])]
    assert served == [[9, 1], [3]]


def test_the_users_collate_function_is_kept():
    loader = DataLoader([1, 2, 3], batch_size=2, collate_fn=sum)
    assert list(pool_of(loader).loader([[0, 2]])) == [4]


def test_a_loader_with_its_own_batches_is_refused():
    data = TensorDataset(torch.arange(4))
    loader = DataLoader(data, batch_sampler=BatchSampler(SequentialSampler(data), 2, False))
    assert pool_of(DataLoader(data, batch_size=2)).batch_size == 2
    with pytest.raises(DataError, match="its own batch sampler.*Pool"):
        pool_of(loader)
