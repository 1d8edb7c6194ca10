"""A language project whose model is saved on disk: a small Llama, whole or in four bits."""

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.seed import isolate_rng

from lit_iterative.callbacks import Rounds
from lit_iterative.modules.backbone import Fresh, LoRA, Pretrained
from lit_iterative.modules.language import LanguagePolicy
from tests.projects.words import ALPHABET, LLAMA, data, policy, trainer

WIDE = {**LLAMA, "hidden_size": 64, "intermediate_size": 64}  # a block of four-bit weights is 64 wide
NF4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": "float32"}


def save(folder: Any, config: dict[str, Any] = WIDE, seed: int = 0, scale: float = 1.0) -> str:
    """Save a model and its tokenizer, and return the folder."""
    made = Fresh(ALPHABET, config, seed)
    network = made.network()
    with torch.no_grad():
        for weight in network.parameters():
            weight *= scale
    network.save_pretrained(folder)
    made.tokenizer().save_pretrained(folder)
    return str(folder)


def seeded(config: dict[str, Any] = LLAMA, lora: LoRA | None = None, seed: int = 0, **options: Any) -> LanguagePolicy:
    """Return a policy with its network, whose adapter is the same at every call."""
    with isolate_rng():
        torch.manual_seed(seed)
        made = policy(config, lora, **options)
        made.configure_model()
    return made


def pretrained(path: str, quantisation: dict[str, Any] = NF4, seed: int = 0, **options: Any) -> LanguagePolicy:
    """Return a policy on a saved model, with an adapter unless told otherwise."""
    made = policy()
    options = {"lora": LoRA(r=4), "objective": made.objective, "optimizer": made._optimizer, **options}
    with isolate_rng():
        torch.manual_seed(seed)
        made = LanguagePolicy(Pretrained(path, quantisation=quantisation), held_out=made.held_out, **options)
        made.configure_model()
    return made


def fit(folder: Any, module: LanguagePolicy, rounds: Rounds, *also: pl.Callback, **options: Any) -> pl.Trainer:
    """Train on the sums, from a seed, and return the trainer."""
    pl.seed_everything(7, verbose=False)
    checkpoints = any(isinstance(callback, ModelCheckpoint) for callback in also)
    made = trainer(folder, [rounds, *also], **{"enable_checkpointing": checkpoints, **options})
    made.fit(module, data())
    return made
