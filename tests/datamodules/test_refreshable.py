import pickle

import lightning.pytorch as pl
import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from lit_iterative.columns import write
from lit_iterative.datamodules import Mixing, Refreshable
from lit_iterative.errors import DataError, SetupError
from lit_iterative.rounds.store import Store
from tests.projects.tiny import TinyData, TinyRefreshable
from tests.rounds.committed import manifest


def commit(store, round, ids, labels=None):
    draft = store.draft(round)
    draft.begin({"key": str(round), "plan": "plan"})
    table = pa.table({"id": pa.array(ids, pa.int64())})
    labels = np.zeros(len(ids), dtype=np.int64) if labels is None else labels
    shards = draft.add_data([write(table, label=labels, weight=np.ones(len(ids), dtype=np.float32))])
    return draft.commit(manifest(round, shards))


def served(data):
    return len(data.train_dataloader().dataset)


def test_labelled_data_alone_is_served_by_the_users_own_loader():
    data = TinyRefreshable()
    assert type(data.train_dataloader().dataset) is TensorDataset


def test_a_round_is_served_from_the_next_loader_on(tmp_path):
    data, store = TinyRefreshable(), Store(tmp_path)
    data.attach(store, 0)
    data.serve(commit(store, 0, [3, 7]))
    assert served(data) == 32
    data.mixing = Mixing(mode="replace")
    assert served(data) == 2
    data.serve(commit(store, 1, [1, 2, 3, 4]))
    assert served(data) == 4


def test_the_round_that_is_served_is_state(tmp_path):
    store = Store(tmp_path)
    data = TinyRefreshable()
    data.attach(store, 0)
    assert data.state_dict()["lit_iterative"] == {"round": None}
    data.serve(commit(store, 0, [3, 7]))
    state = data.state_dict()
    torch.save(state, tmp_path / "state")
    other = TinyRefreshable()
    other.attach(store, 0)
    other.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert served(other) == 32


def test_own_state_is_kept():
    class Own(TinyData):
        seen = 0

        def state_dict(self):
            return {"seen": self.seen}

        def load_state_dict(self, state):
            assert set(state) == {"seen"}
            self.seen = state["seen"]

    data = Refreshable.wrap(Own())
    data.seen = 3
    other = Refreshable.wrap(Own())
    other.load_state_dict(data.state_dict())
    assert other.seen == 3


def test_paired_loaders_come_under_two_names(tmp_path):
    data = TinyRefreshable()
    data.mixing = Mixing(mode="paired")
    assert list(data.train_dataloader()) == ["labelled"]
    data.attach(Store(tmp_path), 0)
    data.serve(commit(Store(tmp_path), 0, [1, 2, 3]))
    loaders = data.train_dataloader()
    assert {name: len(loader.dataset) for name, loader in loaders.items()} == {"labelled": 30, "pseudo": 3}


def test_wrapping_keeps_attributes_and_hooks():
    inner = TinyData(pool=50)
    data = Refreshable.wrap(inner, Mixing(rows_per_epoch=8))
    assert isinstance(data, TinyData)
    assert data.sizes == (30, 50)
    assert type(data).__name__ == "RefreshableTinyData"
    assert data.fixed_length
    assert len(data.pool()) == 50
    assert len(data.val_dataloader().dataset) == 60


def test_hooks_of_the_wrapped_datamodule_are_asked():
    class Knowing(TinyData):
        def pool_ids(self):
            return [f"id{i}" for i in range(200)]

        def pool_truth(self):
            return [0] * 200

        def relabel(self, item, label):
            return "mine"

    for data in (Refreshable.wrap(Knowing()), type("Mixed", (Refreshable, Knowing), {})()):
        assert data.pool().ids[3] == "id3"
        assert data.pool().truth == [0] * 200
        assert data.relabel((1, 2), 3) == "mine"


def test_loaders_become_a_datamodule():
    train, pool = TinyData().train_dataloader(), TinyData().predict_dataloader()
    data = Refreshable.from_loaders(train, pool)
    assert data.train_dataloader() is train
    assert data.val_dataloader() == []
    assert len(data.pool()) == 200


def test_a_pool_must_be_named():
    class NoPool(pl.LightningDataModule):
        pass

    with pytest.raises(SetupError, match="does not say what is unlabelled.*predict_dataloader"):
        Refreshable.wrap(NoPool()).pool()


def test_several_pool_loaders_are_refused():
    class Two(TinyData):
        def predict_dataloader(self):
            return [super().predict_dataloader()] * 2

    with pytest.raises(SetupError, match="returned list.*override pool"):
        Refreshable.wrap(Two()).pool()


def test_several_train_loaders_are_refused(tmp_path):
    class Two(TinyData):
        def train_dataloader(self):
            return [super().train_dataloader()] * 2

    data = Refreshable.wrap(Two())
    data.serve(commit(Store(tmp_path), 0, [1]))
    with pytest.raises(SetupError, match="returned list.*paired"):
        data.train_dataloader()


@pytest.mark.parametrize("mode", ["concat", "replace", "paired"])
def test_empty_rounds_leave_the_labelled_data(tmp_path, mode):
    data = TinyRefreshable()
    data.mixing = Mixing(mode=mode)
    data.serve(commit(Store(tmp_path), 0, []))
    loader = data.train_dataloader()
    assert len((loader["labelled"] if mode == "paired" else loader).dataset) == 30
    assert data.state_dict()["lit_iterative"] == {"round": None}


def test_nothing_to_train_on_is_refused():
    data = Refreshable.from_loaders(DataLoader([], 2), DataLoader([1], 2), mixing=Mixing(rows_per_epoch=4))
    with pytest.raises(DataError, match="nothing to train on.*labelled"):
        data.train_dataloader()


def test_own_relabelling_is_used(tmp_path):
    class Triple(TinyRefreshable):
        def relabel(self, item, label):
            return item[0] * 0, label

    data = Triple()
    data.serve(commit(Store(tmp_path), 0, [5], np.array([2])))
    item = data.train_dataloader().dataset[30]
    assert item[0].tolist() == [0.0, 0.0]
    assert int(item[1]) == 2
    assert isinstance(data.train_dataloader(), DataLoader)


def test_a_wrapped_datamodule_can_be_sent_to_another_process(tmp_path):
    data = Refreshable.wrap(TinyData(labelled=9), Mixing(rows_per_epoch=4))
    again = pickle.loads(pickle.dumps(data))  # noqa: S301  # its own
    assert isinstance(again, Refreshable)
    assert isinstance(again, TinyData)
    assert (again.sizes, again.mixing) == (data.sizes, data.mixing)
    assert Refreshable.wrap(data) is data


def test_workers_are_not_sent_the_datamodule(tmp_path):
    data = TinyRefreshable()
    data.trainer = lambda: "cannot be pickled"
    data.serve(commit(Store(tmp_path), 0, [1, 5]))
    rows = data.rows(data.loader(30, 1).dataset, data._version)
    assert len(pickle.loads(pickle.dumps(rows))) == 32  # noqa: S301  # its own
