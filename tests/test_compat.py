"""A test for each private name of Lightning that _compat touches: it fails where a version changes one."""

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from torch.utils.data import DataLoader, TensorDataset

from lit_iterative import _compat
from tests.projects.tiny import TinyData, TinyModule, trainer

STRATEGIES = ["ddp", "ddp_find_unused_parameters_true"]


class Growing(pl.LightningDataModule):
    """Serves one row more each time its loader is asked for."""

    asked = 0

    def __init__(self, workers=0):
        super().__init__()
        self.workers = workers

    def train_dataloader(self):
        self.asked += 1
        rows = torch.full((8 + self.asked, 32), float(self.asked))
        persistent = {"persistent_workers": True} if self.workers else {}
        return DataLoader(TensorDataset(rows), 4, num_workers=self.workers, **persistent)


class Recording(BoringModel):
    def __init__(self):
        super().__init__()
        self.seen = {}

    def training_step(self, batch, batch_idx):
        self.seen.setdefault(self.trainer.current_epoch, []).append((float(batch[0][0, 0]), len(batch[0])))
        return super().training_step(batch[0], batch_idx)

    val_dataloader = None


class Reload(pl.Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch != 1:
            _compat.reload_train_dataloader(trainer)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_reload_serves_new_rows_and_their_number_at_once(tmp_path, workers):
    module = Recording()
    made = trainer(tmp_path, [Reload()], max_epochs=3, limit_val_batches=0)
    made.fit(module, datamodule=Growing(workers))
    assert {value for value, _ in module.seen[0]} == {2.0}
    assert {value for value, _ in module.seen[1]} == {2.0}
    assert {value for value, _ in module.seen[2]} == {3.0}
    assert [sum(n for _, n in module.seen[epoch]) for epoch in range(3)] == [10, 10, 11]


class Boundary(pl.Callback):
    """Saves at the start of an epoch as rounds do, and says what every batch looked like."""

    def __init__(self, path, epoch=None):
        self.path, self.epoch, self.trace, self.loaded = str(path), epoch, [], False

    def on_train_epoch_start(self, trainer, pl_module):
        if self.loaded:
            _compat.begin_epoch_afresh(trainer)
            self.loaded = False
        if trainer.current_epoch == self.epoch:
            trainer.save_checkpoint(self.path)

    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        _compat.at_epoch_start(checkpoint)

    def on_load_checkpoint(self, trainer, pl_module, checkpoint):
        self.loaded = True

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        logged = trainer.fit_loop.epoch_loop._batches_that_stepped
        self.trace.append((trainer.current_epoch, batch_idx, trainer.global_step, logged, rate))

    def on_validation_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            self.trace.append(("validated", trainer.current_epoch, trainer.global_step))


class Resume(pl.Callback):
    def __init__(self, path):
        self.path = str(path)

    def setup(self, trainer, pl_module, stage):
        _compat.resume_from(trainer, self.path)


@pytest.mark.parametrize("val_check_interval", [1.0, 2])
def test_a_fit_resumed_at_an_epochs_start_counts_like_one_that_was_not(tmp_path, val_check_interval):
    options = {"max_epochs": 4, "val_check_interval": val_check_interval}
    whole = Boundary(tmp_path / "b.ckpt", epoch=2)
    first = trainer(tmp_path, [whole], **options)
    first.fit(TinyModule(), TinyData())
    again = Boundary(tmp_path / "b.ckpt")
    second = trainer(tmp_path, [again, Resume(tmp_path / "b.ckpt")], **options)
    second.fit(TinyModule(), TinyData())
    start = next(i for i, entry in enumerate(whole.trace) if entry[0] == 2)
    assert again.trace == whole.trace[start:]
    assert second.global_step == first.global_step
    assert second.current_epoch == first.current_epoch == 4


class Drawing(TinyModule):
    """Draws for every training batch on its way to the device."""

    def __init__(self):
        super().__init__()
        self.draws = []

    def on_before_batch_transfer(self, batch, dataloader_idx):
        if self.trainer.training:
            self.draws.append((self.trainer.current_epoch, torch.rand(1).item()))
        return batch


class SeededBoundary(Boundary):
    def on_train_epoch_start(self, trainer, pl_module):
        super().on_train_epoch_start(trainer, pl_module)
        torch.manual_seed(trainer.current_epoch)


def test_the_first_batch_of_a_resumed_epoch_is_changed_by_the_same_draws(tmp_path):
    whole, again = Drawing(), Drawing()
    trainer(tmp_path, [SeededBoundary(tmp_path / "b.ckpt", epoch=2)], max_epochs=3).fit(whole, TinyData())
    callbacks = [SeededBoundary(tmp_path / "b.ckpt"), Resume(tmp_path / "b.ckpt")]
    trainer(tmp_path, callbacks, max_epochs=3).fit(again, TinyData())
    assert len(again.draws) >= 2
    assert again.draws == [draw for draw in whole.draws if draw[0] == 2]


def test_a_checkpoint_that_the_user_names_wins(tmp_path):
    saver = Boundary(tmp_path / "ours.ckpt", epoch=3)
    made = trainer(tmp_path, [saver], max_epochs=4)
    made.fit(TinyModule(), TinyData())
    theirs = trainer(tmp_path, [Boundary(tmp_path / "x", epoch=1)], max_epochs=2)
    theirs.fit(TinyModule(), TinyData())
    theirs.save_checkpoint(tmp_path / "theirs.ckpt")
    again = Boundary(tmp_path / "y")
    resumed = trainer(tmp_path, [again, Resume(tmp_path / "ours.ckpt")], max_epochs=4)
    resumed.fit(TinyModule(), TinyData(), ckpt_path=str(tmp_path / "theirs.ckpt"))
    assert again.trace[0][0] == 2


def test_ddp_tells_whether_it_finds_unused_parameters():
    strategies = [pl.Trainer(accelerator="cpu", devices=2, strategy=name).strategy for name in STRATEGIES]
    assert [_compat.finds_unused(strategy) for strategy in strategies] == [False, True]


def test_batches_pass_the_transfer_hooks(tmp_path):
    class Hooked(BoringModel):
        def on_before_batch_transfer(self, batch, dataloader_idx):
            return batch + 1

        def on_after_batch_transfer(self, batch, dataloader_idx):
            return batch * 10

    class Check(pl.Callback):
        def on_train_start(self, trainer, pl_module):
            self.seen = _compat.to_device(trainer, torch.ones(2))

    check = Check()
    made = trainer(tmp_path, [check], max_epochs=1, limit_train_batches=1, limit_val_batches=0, precision="64-true")
    made.fit(Hooked())
    assert check.seen.tolist() == [20.0, 20.0]
    assert check.seen.dtype == torch.float64


@pytest.mark.parametrize("name", ["eager", "sdpa"])
def test_the_attention_of_a_model_is_what_was_set(name):
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(vocab_size=16, n_embd=8, n_layer=1, n_head=2)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=name)
    assert _compat.attention_of(model) == name
    for other in ("eager", "sdpa"):
        model.set_attn_implementation(other)
        assert _compat.attention_of(model) == other


@pytest.mark.parametrize("bias", [True, False])
def test_onednn_multiplies_as_a_linear_layer_does(bias):
    layer, inputs = torch.nn.Linear(48, 300, bias=bias), torch.randn(3, 1, 48)
    assert _compat.has_onednn() == torch.backends.mkldnn.is_available()
    with torch.no_grad():
        found = _compat.onednn_linear(layer)(inputs)
        torch.testing.assert_close(found, layer(inputs), rtol=1e-5, atol=1e-5)
        assert found.shape == (3, 1, 300)


@pytest.mark.parametrize("masked", [False, True])
def test_flash_attention_gives_log_sum_exps_and_its_backward_pass_derivatives(masked):
    assert _compat.has_flash_attention()
    query, keys, values = (torch.randn(2, 3, rows, 8, dtype=torch.float64, requires_grad=True) for rows in (5, 7, 7))
    mask = torch.zeros(2, 1, 5, 7, dtype=torch.float64).masked_fill_(torch.rand(2, 1, 5, 7) < 0.3, -1e30)
    scores = query @ keys.transpose(-1, -2) * 0.4 + (mask if masked else 0)
    expected, upstream = scores.softmax(dim=-1) @ values, torch.randn(2, 3, 5, 8, dtype=torch.float64)
    given = tuple(part.detach() for part in (query, keys, values))
    found = _compat.flash_attention(*given, mask if masked else None, False, 0.4)
    torch.testing.assert_close(found, (expected, scores.logsumexp(dim=-1)))
    derivatives = _compat.flash_attention_backward(upstream, given, found, mask if masked else None, False, 0.4)
    torch.testing.assert_close(derivatives, torch.autograd.grad(expected, (query, keys, values), upstream))
