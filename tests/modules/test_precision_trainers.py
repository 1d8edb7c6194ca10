"""Trainers that a language policy cannot be trained with are refused before the network is loaded."""

from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.plugins import BitsandbytesPrecision, Precision
from lightning.pytorch.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    FSDPStrategy,
    ModelParallelStrategy,
    SingleDeviceStrategy,
)

from lit_iterative.errors import SetupError
from lit_iterative.modules import LanguagePolicy, LoRA
from lit_iterative.modules.backbone import Pretrained
from lit_iterative.modules.trainers import check_trainer, check_weights
from tests.projects.precisions import examples, rounds
from tests.projects.words import trainer

REMEDY = r"spreads weights over devices.*strategy='ddp'.*quantisation=\{load_in_4bit: true\}\), lora"


def check(strategy, precision=None):
    """Check a trainer with a strategy that could not be set up here."""
    check_trainer(SimpleNamespace(strategy=strategy, precision_plugin=precision or Precision()))


@pytest.mark.parametrize("kind", [FSDPStrategy, ModelParallelStrategy, DeepSpeedStrategy])
def test_strategies_that_spread_weights(kind):
    with pytest.raises(SetupError, match=f"{kind.__name__} {REMEDY}"):
        check(kind.__new__(kind))


def test_strategies_that_do_not():
    for kind in (SingleDeviceStrategy, DDPStrategy):
        check(kind.__new__(kind))


@pytest.mark.parametrize("callbacks", [[rounds()], []], ids=["rounds", "no rounds"])
def test_model_parallel_in_a_fit(callbacks, tmp_path, saved):
    module = LanguagePolicy(Pretrained(saved))
    run = trainer(tmp_path, callbacks, strategy=ModelParallelStrategy(process_group_backend="gloo"))
    try:
        with pytest.raises(SetupError, match=r"ModelParallelStrategy.*strategy='ddp'"):
            run.fit(module, examples())
    finally:
        torch.distributed.destroy_process_group()
    assert module.network is None
    assert not (tmp_path / "rounds").exists()


def test_lightnings_own_quantisation(tmp_path, saved):
    pytest.importorskip("bitsandbytes")
    module = LanguagePolicy(Pretrained(saved), lora=LoRA(r=2))
    run = trainer(tmp_path, [rounds()])
    run.strategy.precision_plugin = BitsandbytesPrecision("nf4")  # which Lightning refuses itself without a GPU
    with pytest.raises(SetupError, match=r"BitsandbytesPrecision.*adapter's too.*quantisation=\{load_in_4bit: true"):
        run.fit(module, examples())
    assert module.network is None


def test_float16_weights_are_not_trained():
    layer = torch.nn.Linear(2, 2, dtype=torch.float16)
    with pytest.raises(SetupError, match=r"2 weights to train are float16, for example weight.*16-mixed.*bf16-true"):
        check_weights(layer)
    check_weights(layer.requires_grad_(False))
