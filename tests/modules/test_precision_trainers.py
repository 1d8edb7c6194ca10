"""Trainers that a language policy cannot be trained with are refused before the network is loaded."""

import re
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

from lit_iterative.callbacks import EMATeacher
from lit_iterative.callbacks.guards import Guards
from lit_iterative.callbacks.train_only import TrainOnly
from lit_iterative.errors import SetupError
from lit_iterative.generation.vllm import VLLMServer
from lit_iterative.guards import GoBack, Guard, Worse
from lit_iterative.modules import LanguagePolicy, LoRA
from lit_iterative.modules.backbone import Pretrained
from lit_iterative.modules.trainers import check_trainer, check_weights
from lit_iterative.rounds.sync import ReinitFromScratch
from tests.projects.precisions import examples, rounds
from tests.projects.words import trainer

REMEDY = r"strategy='ddp'.*ModelParallelStrategy\(data_parallel_size=N.*quantisation=\{load_in_4bit: true\}\), lora"


def check(strategy, precision=None, **options):
    """Check a trainer with a strategy that could not be set up here."""
    check_trainer(SimpleNamespace(strategy=strategy, precision_plugin=precision or Precision()), **options)


@pytest.mark.parametrize("unshardable", [None, "LanguagePolicy(lora)"])
@pytest.mark.parametrize("kind", [FSDPStrategy, DeepSpeedStrategy])
def test_strategies_that_spread_weights(kind, unshardable):
    with pytest.raises(SetupError, match=rf"{kind.__name__} spreads weights over devices, but LanguageP.*{REMEDY}"):
        check(kind.__new__(kind), unshardable=unshardable)


def test_strategies_that_do_not():
    for kind in (SingleDeviceStrategy, DDPStrategy):
        check(kind.__new__(kind))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, None),
        ({"lora": LoRA(r=2)}, "LanguagePolicy(lora)"),
        ({"save": "trained", "compiler": "eager"}, "LanguagePolicy(save='trained', compiler)"),
        ({"sampler": VLLMServer("http://localhost:1/v1", "weights")}, "LanguagePolicy(sampler)"),
    ],
)
def test_policies_that_cannot_be_sharded(options, named, saved):
    module = LanguagePolicy(Pretrained(saved), **options)
    assert module.unshardable == named
    if named is not None:
        strategy = ModelParallelStrategy.__new__(ModelParallelStrategy)
        with pytest.raises(SetupError, match=rf"ModelParallelStrategy.*{re.escape(named)} needs them whole.*{REMEDY}"):
            check(strategy, unshardable=named)


@pytest.mark.parametrize("callbacks", [[rounds()], []], ids=["rounds", "no rounds"])
def test_checkpoints_in_parts(callbacks, tmp_path, saved):
    refused(tmp_path, saved, callbacks, {}, r"a checkpoint is one file.*save_distributed_checkpoint=False")


@pytest.mark.parametrize(
    ("callbacks", "match"),
    [
        ([rounds(), EMATeacher()], r"EMATeacher does not know weights that are sharded.*strategy='ddp'"),
        ([rounds(dirpath="memory://rounds")], r"ModelParallelStrategy saves to local folders.*Set dirpath"),
        ([TrainOnly(["*"])], r"TrainOnly does not know weights that ModelParallelStrategy shards.*Leave it out"),
        ([rounds(weights=ReinitFromScratch())], r"ReinitFromScratch\(\) does not know.*begin with.*ReinitFromBase\(\)"),
        ([rounds(), Guards([Guard(Worse("x"), GoBack("x"))])], r"GoBack\(\) does not know.*Leave it out"),
    ],
)
def test_rounds_that_need_whole_weights(callbacks, match, tmp_path, saved):
    refused(tmp_path, saved, callbacks, {"save_distributed_checkpoint": False}, match)


def refused(folder, path, callbacks, options, match):
    module = LanguagePolicy(Pretrained(path))
    run = trainer(folder, callbacks, strategy=ModelParallelStrategy(process_group_backend="gloo", **options))
    try:
        with pytest.raises(SetupError, match=match):
            run.fit(module, examples())
    finally:
        torch.distributed.destroy_process_group()
    assert module.network is None
    assert not (folder / "rounds").exists()


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
