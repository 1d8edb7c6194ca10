"""Trainers: what one brings along, and whether a language policy can be trained with it."""

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins import BitsandbytesPrecision
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy, SingleDeviceStrategy, Strategy
from torch import nn

from lit_iterative.errors import SetupError


def holds_whole_weights(strategy: Strategy) -> bool:
    """Tell whether every process has all weights, as sampling, scoring and labelling need them."""
    if isinstance(strategy, DeepSpeedStrategy):  # which is a DDPStrategy by inheritance alone
        return False
    return isinstance(strategy, SingleDeviceStrategy | DDPStrategy)


def check_trainer(trainer: pl.Trainer) -> None:
    """Check the strategy and the precision plugin.

    Raises:
        SetupError: If weights would be spread over devices, or quantised by the plugin.
    """
    strategy, precision = trainer.strategy, trainer.precision_plugin
    if not holds_whole_weights(strategy):
        raise SetupError(
            f"{type(strategy).__name__} spreads weights over devices, but LanguagePolicy needs them whole, to sample "
            "and to score. Use Trainer(strategy='ddp') or a single device; where the weights are too many for one, "
            "train an adapter on a quantised base: LanguagePolicy(Pretrained(path, quantisation={load_in_4bit: true}), "
            "lora=LoRA())."
        )
    if isinstance(precision, BitsandbytesPrecision):
        raise SetupError(
            "BitsandbytesPrecision quantises every linear layer, the adapter's too, and what it quantised cannot be "
            "restored from a checkpoint. Leave the plugin out, and give LanguagePolicy a lora and "
            "Pretrained(quantisation={load_in_4bit: true, bnb_4bit_quant_type: nf4})."
        )


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
