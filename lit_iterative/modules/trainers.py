"""Trainers: what one brings along, and whether a language policy can be trained with it."""

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins import BitsandbytesPrecision
from lightning.pytorch.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    ModelParallelStrategy,
    SingleDeviceStrategy,
    Strategy,
)
from torch import nn
from torch.optim import Optimizer

from lit_iterative import _compat
from lit_iterative.errors import SetupError
from lit_iterative.sharding import units_of

#: The strategy under which a policy is sharded.
SHARDED = "ModelParallelStrategy(data_parallel_size=N, tensor_parallel_size=1, save_distributed_checkpoint=False)"


def holds_whole_weights(strategy: Strategy) -> bool:
    """Tell whether every process has all weights, as sampling, scoring and labelling need them."""
    if isinstance(strategy, DeepSpeedStrategy):  # which is a DDPStrategy by inheritance alone
        return False
    return isinstance(strategy, SingleDeviceStrategy | DDPStrategy)


def check_trainer(trainer: pl.Trainer, unshardable: str | None = "LanguagePolicy") -> None:
    """Check the strategy and the precision plugin.

    Args:
        trainer: The trainer.
        unshardable: What it is whose weights cannot be spread over devices; none where they can.

    Raises:
        SetupError: If weights would be spread over devices in a way that does not work, or quantised by the plugin.
    """
    strategy, precision = trainer.strategy, trainer.precision_plugin
    model_parallel = isinstance(strategy, ModelParallelStrategy)
    if not holds_whole_weights(strategy) and not (model_parallel and unshardable is None):
        raise SetupError(
            f"{type(strategy).__name__} spreads weights over devices, but {unshardable or 'LanguagePolicy'} needs them "
            "whole, to sample and to score. Use Trainer(strategy='ddp') or a single device; where the weights are too "
            f"many for one, train an unquantised policy without lora under {SHARDED}, or an adapter on a quantised "
            "base: LanguagePolicy(Pretrained(path, quantisation={load_in_4bit: true}), lora=LoRA())."
        )
    if model_parallel and not _shards_alone(strategy):
        raise SetupError(
            "LanguagePolicy is sharded over all devices, none of its layers is split, and a checkpoint is one file. "
            f"Set Trainer(strategy={SHARDED}), where N is the number of devices."
        )
    if isinstance(precision, BitsandbytesPrecision):
        raise SetupError(
            "BitsandbytesPrecision quantises every linear layer, the adapter's too, and what it quantised cannot be "
            "restored from a checkpoint. Leave the plugin out, and give LanguagePolicy a lora and "
            "Pretrained(quantisation={load_in_4bit: true, bnb_4bit_quant_type: nf4})."
        )


def _shards_alone(strategy: Any) -> bool:
    """Tell whether no layer is split, and checkpoints are one file."""
    return bool(strategy.device_mesh["tensor_parallel"].size() == 1) and _compat.saves_one_file(strategy)


def check_not_compiled(module: pl.LightningModule) -> None:
    """Check that it is not the module's Python that is to be compiled.

    Raises:
        SetupError: If ``torch.compile(module)`` was given to the trainer.
    """
    if hasattr(vars(module).get("training_step"), "get_compiler_config"):
        raise SetupError(
            f"torch.compile({type(module).__name__}(...)) compiles tokenizing, logging and sampling too, which cannot "
            "be. Pass the policy itself to fit, and let it compile its network: LanguagePolicy(compiler='inductor')."
        )


def check_whole(module: pl.LightningModule) -> None:
    """Check that weights which an earlier trainer has sharded are not given to one that takes them for whole.

    Raises:
        SetupError: If they are.
    """
    if units_of(module) and holds_whole_weights(module.trainer.strategy):
        raise SetupError(
            f"The policy was sharded by another trainer, but {type(module.trainer.strategy).__name__} needs whole "
            "weights. Load a checkpoint or the export of that fit into a new policy."
        )


def check_weights(network: nn.Module) -> None:
    """Check that what is trained is of a type that small steps can be added to.

    Raises:
        SetupError: If it is float16: AdamW's epsilon of 1e-8 is 0 there, and a loss scaler takes no such gradients.
    """
    half = [name for name, weight in network.named_parameters() if weight.requires_grad and weight.dtype == torch.half]
    if half:
        raise SetupError(
            f"{len(half)} weights to train are float16, for example {half[0]}; their updates would be lost or not be "
            "numbers. Set precision: 16-mixed, with Pretrained(dtype='float32'), or precision: bf16-true."
        )


def check_optimizer(module: nn.Module, optimizer: Optimizer) -> None:
    """Check that the optimiser takes weights of which each process holds a part.

    Raises:
        SetupError: If it does not.
    """
    if units_of(module) and type(optimizer).__module__.split(".")[0] == "bitsandbytes":
        raise SetupError(
            f"bitsandbytes' {type(optimizer).__name__} does not take weights that are sharded. Use one of torch's, "
            "such as torch.optim.AdamW, or Trainer(strategy='ddp')."
        )
