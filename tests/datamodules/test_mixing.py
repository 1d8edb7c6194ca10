import collections

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset

from lit_iterative.datamodules.mixing import Mixing, RowSampler, loader_like
from lit_iterative.datamodules.relabelled import Relabelled, relabel_at
from lit_iterative.errors import DataError, SetupError
from lit_iterative.ops import SameRound, Steps
from lit_iterative.pool import Pool

GOLD = TensorDataset(torch.arange(4.0), torch.tensor([0, 1, 2, 0]))
POOL = Pool(TensorDataset(torch.arange(10.0, 20.0)), 2)


def rows(mixing=None, gold=GOLD, ids=(3, 5, 9), labels=(2, 0, 1), weights=(0.5, 1.0, 0.25), pool=POOL):
    mixing = mixing or Mixing()
    return Relabelled(
        gold, pool, np.array(ids), np.array(labels), np.array(weights), mixing, relabel_at(mixing.label_at)
    )


def sampler(mixing=None, replicas=1, rank=0, shuffle=True, **data):
    return RowSampler(rows(mixing, **data), shuffle, 0, replicas, rank)


def test_labelled_rows_come_first_and_pseudo_rows_take_their_form():
    data = rows(pool=Pool(TensorDataset(torch.arange(10.0, 20.0), torch.zeros(10)), 2))
    assert len(data) == 7
    assert [float(data[i][0]) for i in range(7)] == [0, 1, 2, 3, 13, 15, 19]
    assert [int(data[i][1]) for i in range(7)] == [0, 1, 2, 0, 2, 0, 1]
    assert data[4][1].dtype == torch.int64
    batch = next(iter(DataLoader(data, 7)))
    assert [part.shape for part in batch] == [(7,), (7,)]


def test_inputs_without_labels_become_pairs():
    data = rows(gold=[(1.0, 0)], pool=Pool([10.0 + i for i in range(10)], 2))
    assert data[1] == (13.0, 2)
    assert type(data[1][1]) is int


def test_dictionaries_keep_their_keys():
    gold, pool = [{"x": 1, "y": 0}], Pool([{"x": i} for i in range(10)], 2)
    data = rows(Mixing(label_at="y", weighting="item"), gold=gold, pool=pool)
    assert data[0] == {"x": 1, "y": 0, "weight": 1.0}
    assert data[1] == {"x": 3, "y": 2, "weight": 0.5}


def test_weights_go_into_items():
    data = rows(Mixing(weighting="item"))
    assert [data[i][-1] for i in range(7)] == [1.0, 1.0, 1.0, 1.0, 0.5, 1.0, 0.25]


def test_soft_labels_make_labelled_rows_soft():
    soft = np.array([[0.1, 0.2, 0.7], [1, 0, 0], [0, 1, 0]], dtype=np.float32)
    data = rows(labels=soft)
    assert data[1][1].tolist() == [0.0, 1.0, 0.0]
    torch.testing.assert_close(data[4][1], torch.tensor([0.1, 0.2, 0.7]))
    assert next(iter(DataLoader(data, 7)))[1].shape == (7, 3)


@pytest.mark.parametrize("label", [3, -1])
def test_labels_that_the_model_does_not_predict_are_refused(label):
    data = rows(gold=[(0.0, label)], labels=np.eye(3, dtype=np.float32))
    with pytest.raises(DataError, match=rf"label {label}.*classes 0 to 2"):
        data[0]


def test_items_without_a_label_are_named():
    with pytest.raises(DataError, match="no label at 1.*label_at"):
        rows(gold=[(1.0,)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gold_share": 1.0}, "gold_share is 1.0"),
        ({"mode": "in_turn", "weighting": "sample"}, "come in no turn"),
        ({"gold_share": 0.5, "mode": "replace"}, "gold_share needs mode: concat"),
        ({"rows_per_epoch": 0}, "rows_per_epoch is 0"),
        ({"gold_share": SameRound(Steps([0.5]))}, "knows no SameRound"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        Mixing(**options)


def test_an_epoch_goes_through_all_rows_once_in_an_order_of_its_own():
    made = sampler()
    orders = []
    for epoch in range(3):
        made.set_epoch(epoch)
        orders.append(list(made))
        assert sorted(orders[-1]) == list(range(7))
        assert list(made) == orders[-1]
    assert orders[0] != orders[1] != orders[2]
    assert list(sampler(shuffle=False)) == list(range(7))


@pytest.mark.parametrize("replicas", [2, 3])
def test_ranks_share_an_epoch_evenly(replicas):
    parts = [list(sampler(replicas=replicas, rank=rank)) for rank in range(replicas)]
    assert len({len(part) for part in parts}) == 1
    assert {row for part in parts for row in part} == set(range(7))
    whole = list(sampler())
    interleaved = [row for together in zip(*parts, strict=True) for row in together]
    assert interleaved[:7] == whole


@pytest.mark.parametrize("wanted", [3, 7, 20])
def test_epochs_of_a_fixed_number_of_rows(wanted):
    order = list(sampler(Mixing(rows_per_epoch=wanted)))
    assert len(order) == wanted
    counts = collections.Counter(order)
    assert max(counts.values()) - min(counts.get(row, 0) for row in range(7)) <= 1


def test_the_share_of_labelled_rows():
    order = list(sampler(Mixing(gold_share=0.7)))
    assert len(order) == 10
    assert sum(row < 4 for row in order) == 7
    assert {4, 5, 6} <= set(order)


@pytest.mark.parametrize(("share", "wanted", "golds"), [(0.1, None, 0), (0.9, 5, 4), (0.95, 5, 5)])
def test_a_share_of_less_than_half_a_row_is_no_row(share, wanted, golds):
    order = list(sampler(Mixing(gold_share=share, rows_per_epoch=wanted)))
    assert sum(row < 4 for row in order) == golds
    assert len(order) == (wanted or 3)


def test_rows_are_drawn_in_proportion_to_their_weights():
    made = sampler(Mixing(weighting="sample", rows_per_epoch=20000))
    counts = collections.Counter(made)
    share = np.array([counts[row] for row in range(7)]) / 20000
    weights = np.array([1, 1, 1, 1, 0.5, 1, 0.25])
    np.testing.assert_allclose(share, weights / weights.sum(), atol=0.01)


def like(size, drop_last=False, data_rows=7, replicas=1, **options):
    base = DataLoader(GOLD, size, shuffle=True, drop_last=drop_last, **options)
    data = rows(ids=tuple(range(data_rows - 4)), labels=(0,) * (data_rows - 4), weights=(1.0,) * (data_rows - 4))
    return loader_like(base, data, 0, replicas, 0)


@pytest.mark.parametrize(
    ("size", "drop_last", "count", "batches"),
    [
        (2, False, 8, [2, 2, 2, 2]),
        (3, False, 8, [3, 3, 2]),
        (3, False, 7, [3, 3]),
        (3, True, 8, [3, 3]),
        (16, True, 7, [7]),
        (1, False, 5, [1] * 5),
    ],
)
def test_no_batch_of_one_and_never_no_batch(size, drop_last, count, batches):
    assert [len(batch[0]) for batch in like(size, drop_last, count)] == batches


def test_the_users_settings_are_kept():
    made = like(2, collate_fn=len, num_workers=0, pin_memory=False, timeout=0)
    assert made.collate_fn is len
    assert list(made) == [2, 2, 2, 1][: len(made)]


def test_own_samplers_are_refused_with_the_remedy():
    base = DataLoader(GOLD, 2, sampler=SubsetRandomSampler([0]))
    with pytest.raises(SetupError, match="SubsetRandomSampler.*rebuild_train_dataloader"):
        loader_like(base, rows(), 0, 1, 0)


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("options", [{}, {"rows_per_epoch": 21, "gold_share": 0.4}])
def test_no_batch_has_rows_of_both_kinds_where_they_come_in_turn(replicas, options):
    mixing, size = Mixing("in_turn", **options), 3
    seen = []
    for rank in range(replicas):
        order = list(RowSampler(rows(mixing), True, 0, replicas, rank, size))
        golds = [{index < 4 for index in order[start : start + size]} for start in range(0, len(order), size)]
        assert len(order) % size == 0
        assert all(len(kinds) == 1 for kinds in golds)
        kinds = [kind for (kind,) in golds]
        assert kinds == sorted(kinds), "labelled rows come last"
        assert set(kinds) == {False, True}
        seen += order
    assert set(seen) == set(range(7)), "every row comes"
    assert seen.count(4) >= 1


def test_rows_of_one_kind_alone_come_in_any_order():
    assert sorted(sampler(Mixing("in_turn"), gold=None)) == [0, 1, 2]
