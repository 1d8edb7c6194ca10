"""Policies to start from: small, and taught on worked examples until they are right often enough."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import yaml
from lightning.pytorch.callbacks import EarlyStopping
from torch.optim.lr_scheduler import LinearLR

from lit_iterative.answers import LastNumber
from lit_iterative.datamodules import PromptData, SumsData
from lit_iterative.generation.language import Sampling
from lit_iterative.modules import Fresh, HeldOut, LanguagePolicy, Pretrained
from lit_iterative.recipes import FOLDER
from systems.runs import QUIET, Config

SUMS = yaml.safe_load((FOLDER / "base" / "sums.yaml").read_text())
#: Epochs of a warm-up at most until it is at the goal, and those in which the rate then falls to nothing.
EPOCHS, SETTLING = 40, 4
#: A network a quarter of the size, for what many arms are compared on.
NARROW = {"hidden_size": 64, "intermediate_size": 192}


def warm_up(
    seed: int,
    folder: str,
    goal: float = 0.4,
    alphabet: str = "0123456789+=",
    network: Config | None = None,
    **data: Any,
) -> str:
    """Teach a policy of the base ``sums`` worked examples until it has settled; return where it is.

    Args:
        seed: Seed of the weights and of the sums.
        folder: Where to.
        goal: The share of other sums that it works out when the rate begins to fall; it ends well above.
        alphabet: The characters that it knows.
        network: Changes to its network.
        data: Changes to the sums.
    """
    return teach(sums(seed, **data), sums(seed + 1000, **data), seed, folder, goal, alphabet, network)


def sums(seed: int, **data: Any) -> SumsData:
    """Return the data of the base ``sums``, with changes."""
    return SumsData(**SUMS["data"]["init_args"] | data, seed=seed)


def teach(
    data: PromptData,
    measure: PromptData,
    seed: int,
    folder: str,
    goal: float,
    alphabet: str,
    network: Config | None = None,
    epochs: int = EPOCHS,
) -> str:
    """Teach a policy the examples of some data, until it is right on a share of the held-out prompts of others.

    With a goal above 1 it is taught for all epochs. The rate then falls to nothing: at a rate that does not, the first
    steps of whatever comes next at a small one would gain by themselves.
    """
    config = SUMS["model"]["init_args"]["backbone"]["init_args"]["config"] | (network or {})
    data.val_dataloader = measure.val_dataloader  # type: ignore[method-assign]
    enough = EarlyStopping("val_accuracy", mode="max", patience=epochs * 4, stopping_threshold=goal)
    unsettled = _policy(Fresh(alphabet=alphabet, config=config, seed=seed))
    _fit(unsettled, data, seed, epochs, val_check_interval=0.25, callbacks=[enough])
    path = str(Path(folder, "warm"))
    unsettled.export(path)
    settled = _policy(Pretrained(path), partial(LinearLR, start_factor=1.0, end_factor=0.0, total_iters=SETTLING))
    _fit(settled, data, seed, SETTLING, limit_val_batches=0)
    settled.export(path)
    return path


def _policy(backbone: Fresh | Pretrained, schedule: Any = None) -> LanguagePolicy:
    """Return a policy as the base makes it."""
    model = SUMS["model"]["init_args"]
    optimizer = model["optimizer"]["init_args"] | {"betas": tuple(model["optimizer"]["init_args"]["betas"])}
    measured = HeldOut(LastNumber(), sampling=Sampling(**model["held_out"]["sampling"]))
    made = partial(torch.optim.AdamW, **optimizer)
    return LanguagePolicy(backbone, held_out=measured, optimizer=made, lr_scheduler=schedule)


def _fit(module: LanguagePolicy, data: PromptData, seed: int, epochs: int, **options: Any) -> None:
    """Train on examples."""
    pl.seed_everything(seed, verbose=False)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = pl.Trainer(
            max_epochs=epochs, accelerator="cpu", devices=1, gradient_clip_val=1.0, num_sanity_val_steps=0,
            default_root_dir=scratch, **options, **QUIET,
        )  # fmt: skip
        trainer.fit(module, data)


def held_out(path: str, data: PromptData) -> float:
    """Return the share of held-out prompts that a policy is right on."""
    module = _policy(Pretrained(path))
    trainer = pl.Trainer(accelerator="cpu", devices=1, **QUIET)
    (metrics,) = trainer.validate(module, data, verbose=False)
    return metrics["val_accuracy"]


def onward(path: str, rate: float, epochs: int, **data: Any) -> Config:
    """Return what is laid over the base ``sums`` so that rounds start from a policy, without a warm-up of their own."""
    model: Config = {"backbone": {"class_path": "Pretrained", "init_args": {"path": path}}, "lr_scheduler": None}
    model["optimizer"] = {"class_path": "torch.optim.AdamW", "init_args": {"lr": rate}}
    return {"trainer": {"max_epochs": epochs}, "model": {"init_args": model}, "data": {"init_args": data}}
