"""What training sees after a swap, with workers that hold copies of the data set."""

import lightning.pytorch as pl
import pytest

from lit_iterative.callbacks import PseudoLabels
from lit_iterative.datamodules import Mixing, Refreshable
from lit_iterative.rounds import Store
from tests.projects.tiny import TinyData, TinyModule, trainer


class Persistent(TinyData):
    def __init__(self, workers, persistent):
        super().__init__(workers=0)
        self.options = {"num_workers": workers, "persistent_workers": persistent} if workers else {}

    def loader(self, rows, seed, shuffle=False):
        base = super().loader(rows, seed, shuffle)
        return type(base)(base.dataset, base.batch_size, shuffle=shuffle, **self.options)


class Seen(pl.Callback):
    def __init__(self):
        self.inputs = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        rows = self.inputs.setdefault(trainer.current_epoch, [])
        rows += [tuple(x) for x in batch[0].tolist()]


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (2, False), (2, True)])
def test_the_next_epoch_sees_the_new_rows_and_no_others(tmp_path, workers, persistent):
    seen = Seen()
    data = Refreshable.wrap(Persistent(workers, persistent), Mixing(mode="replace"))
    callback = PseudoLabels(0.6, every_n_epochs=1, warmup_epochs=2)
    pl.seed_everything(1, verbose=False)
    made = trainer(tmp_path, [callback, seen], max_epochs=5, limit_val_batches=0)
    made.fit(TinyModule(), data)
    pool = [tuple(x.tolist()) for x, _ in data.pool().dataset]
    versions = list(Store(tmp_path / "rounds").versions())
    assert len({version.manifest.rows for version in versions}) > 1
    for version in versions:
        kept = {pool[i] for i in version.table()["id"].to_pylist()}
        trained = seen.inputs[version.manifest.epoch]
        assert set(trained) <= kept
        assert len(kept) - len(trained) <= 1  # a last batch of one is dropped
        assert len(set(trained)) == len(trained)
