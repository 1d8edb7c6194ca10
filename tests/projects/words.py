"""A tiny language project: sums of two numbers, a Llama of two layers, one token a character."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pyarrow as pa
import torch

from lit_iterative.callbacks import PreferencePairs
from lit_iterative.columns import write
from lit_iterative.datamodules import PromptData
from lit_iterative.generation.language import Sampling
from lit_iterative.modules.backbone import Fresh, LoRA
from lit_iterative.modules.held_out import HeldOut
from lit_iterative.modules.language import LanguagePolicy
from lit_iterative.modules.objective import Objective
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op
from lit_iterative.rounds.plan import When

ALPHABET = "0123456789+="
LLAMA = {
    "model_type": "llama",
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 32,
}
GPT2 = {"model_type": "gpt2", "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32}
SAMPLING = Sampling(max_new_tokens=5)


@dataclass(frozen=True)
class Closeness(Op):
    """A scorer that needs no answer key: how far the completion's first digit is from that of the answer, negated."""

    @property
    def requires(self) -> tuple[str, ...]:
        return ("text", "answer")

    @property
    def provides(self) -> tuple[str, ...]:
        return ("scores.reward",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        pairs = zip(table["text"].to_pylist(), table["answer"].to_pylist(), strict=True)
        scores = [-abs(int(text[0]) - int(key[0])) if text[:1].isdigit() else -10 for text, key in pairs]
        return write(table, **{"scores.reward": np.array(scores, dtype=np.float64)})


def sums(count: int, seed: int = 0) -> list[dict[str, str]]:
    """Return sums with their answers."""
    draw = np.random.default_rng(seed)
    numbers = draw.integers(0, 30, size=(count, 2)).tolist()
    return [{"prompt": f"{a}+{b}=", "completion": str(a + b), "answer": str(a + b)} for a, b in numbers]


def policy(config: dict[str, Any] = LLAMA, lora: LoRA | None = None, **options: Any) -> LanguagePolicy:
    """Return a tiny policy, the same at every call."""
    defaults = {
        "objective": Objective("dpo", {"beta": 0.1}),
        "optimizer": partial(torch.optim.AdamW, lr=5e-3),
        "held_out": HeldOut(sampling=Sampling(5, temperature=0.0)),
    }
    return LanguagePolicy(Fresh(ALPHABET, config), lora=lora, **{**defaults, **options})


def data(prompts: int = 12, **options: Any) -> PromptData:
    """Return prompts, some worked examples, and held-out prompts."""
    return PromptData(sums(prompts), sums(8, seed=1), sums(6, seed=2), batch_size=4, **options)


def pairs(when: When = When(1, 1), **options: Any) -> PreferencePairs:  # noqa: B008
    """Return the callback: four completions a prompt, best against worst."""
    return PreferencePairs([Closeness()], n=4, sampling=SAMPLING, when=when, **options)


def trainer(folder: Any, callbacks: list[pl.Callback], **options: Any) -> pl.Trainer:
    """Return a quiet trainer on the CPU: three epochs unless told otherwise."""
    quiet = {name: False for name in ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")}
    defaults = {"max_epochs": 3, "accelerator": "cpu", "devices": 1, "log_every_n_steps": 1, **quiet}
    return pl.Trainer(default_root_dir=str(folder), callbacks=callbacks, **{**defaults, **options})
