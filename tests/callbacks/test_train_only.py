"""Some parameters alone are trained, from a round on."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from lit_iterative.callbacks import PseudoLabels, TrainOnly
from lit_iterative.errors import SetupError
from tests.projects.tiny import TinyData, TinyModule, TinyRefreshable, trainer

NORM = {"net.1.weight", "net.1.bias"}


class Recorder(pl.Callback):
    """Tells which parameters each epoch has changed."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.before = {name: value.detach().clone() for name, value in pl_module.named_parameters()}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        changed = {name for name, value in pl_module.named_parameters() if not value.equal(self.before[name])}
        self.epochs = [*getattr(self, "epochs", []), changed]


def fit(folder: Path, *callbacks: pl.Callback, data: Any = None, epochs: int = 2) -> tuple[TinyModule, Recorder]:
    module, recorder = TinyModule(), Recorder()
    trainer(str(folder), [recorder, *callbacks], max_epochs=epochs).fit(module, data or TinyData())
    return module, recorder


def test_normalisation_alone_is_trained(tmp_path: Path) -> None:
    module, recorder = fit(tmp_path, TrainOnly(["normalisation"]))
    assert recorder.epochs == [NORM, NORM]
    assert all(parameter.requires_grad for parameter in module.parameters()), "the module is not as it was"


def test_all_are_trained_before_the_round(tmp_path: Path) -> None:
    rounds = PseudoLabels(0.1, every_n_epochs=1, warmup_epochs=1)
    _, recorder = fit(tmp_path, TrainOnly(["net.4.*"], 1), rounds, data=TinyRefreshable(), epochs=4)
    head = {"net.4.weight", "net.4.bias"}
    everything = head | NORM | {"net.0.weight"}  # batch norm takes the bias before it away
    assert [changed - {"net.0.bias"} for changed in recorder.epochs] == [everything, everything, head, head]


def test_what_was_frozen_before_stays_frozen(tmp_path: Path) -> None:
    module, recorder = TinyModule(), Recorder()
    module.net[1].weight.requires_grad_(False)
    trainer(str(tmp_path), [recorder, TrainOnly(["normalisation"])], max_epochs=1).fit(module, TinyData())
    assert recorder.epochs == [{"net.1.bias"}]
    assert [name for name, p in module.named_parameters() if not p.requires_grad] == ["net.1.weight"]


@pytest.mark.parametrize("patterns", [["normalization"], ["net.*", "head.*"], []])
def test_a_pattern_that_fits_nothing_is_refused(tmp_path: Path, patterns: list[str]) -> None:
    with pytest.raises(SetupError, match="fit no parameter of TinyModule"):
        fit(tmp_path, TrainOnly(patterns))


def test_processes_that_would_wait_are_refused() -> None:
    made = pl.Trainer(accelerator="cpu", devices=2, strategy="ddp", logger=False, enable_checkpointing=False)
    with pytest.raises(SetupError, match="ddp_find_unused_parameters_true"):
        TrainOnly(["normalisation"]).setup(made, TinyModule(), "fit")
    TrainOnly(["normalisation"]).setup(made, TinyModule(), "validate")


def test_batch_norm_without_momentum_of_the_frozen_keeps_its_statistics_going(tmp_path: Path) -> None:
    module, _ = fit(tmp_path, TrainOnly(["normalisation"]))
    mean = module.net[1].running_mean
    assert isinstance(mean, torch.Tensor)
    assert bool(mean.abs().sum() > 0)
