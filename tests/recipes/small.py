"""Runs of recipes for two rounds on small data, from their own files and one that makes them small."""

from pathlib import Path
from typing import Any

import yaml

from lit_iterative.cli import IterativeCLI
from lit_iterative.recipes import Recipe
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.version import Version

QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
LLAMA = {
    "model_type": "llama",
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 128,
}
LANGUAGE = {
    "model": {"init_args": {"backbone": {"init_args": {"config": LLAMA}}, "optimizer": {"init_args": {"lr": 0.03}}}},
    "data": {"init_args": {"prompts": 16, "examples": 16, "held_out": 2, "terms": 2, "batch_size": 32}},
}
DIGITS = {
    "model": {"init_args": {"optimizer": {"init_args": {"lr": 0.01}}}},
    "data": {"init_args": {"mixing": {"rows_per_epoch": 960}, "batch_size": 32}},
}
PAIRS = {
    "model": {"init_args": {"config": {**LLAMA, "hidden_size": 32}, "optimizer": {"init_args": {"lr": 0.02}}}},
    "data": {"init_args": {"pairs": 48, "held_out": 8, "terms": 4, "batch_size": 8}},
}
ROOMS = {"model": LANGUAGE["model"], "data": {"init_args": {"prompts": 16, "batch_size": 32}}}
REVIEWED = {**LANGUAGE, "data": {"init_args": {**LANGUAGE["data"]["init_args"], "reviews": 64}}}
TWO_SCRIPTS = {**LANGUAGE, "data": {"init_args": {**LANGUAGE["data"]["init_args"], "translations": 64}}}
GROWING = {
    "model": LANGUAGE["model"],
    "data": {
        "init_args": {
            "prompts": 6,
            "examples": 1,
            "held_out": 2,
            "known": 2,
            "longest": 4,
            "batch_size": 16,
            "mixing": {"class_path": "Mixing", "init_args": {"mode": "concat", "rows_per_epoch": 240}},
        }
    },
}
TUNES = {"model": LANGUAGE["model"], "data": {"init_args": {"prompts": 16, "examples": 600, "batch_size": 32}}}
SHAPES = {
    "model": {"init_args": {"model": {"init_args": {"channels": 6}}, "optimizer": {"init_args": {"lr": 0.02}}}},
    "data": {"init_args": {"labelled": 24, "pool": 16, "held_out": 8, "mixing": {"rows_per_epoch": 480}}},
}
SPOKEN = {
    "model": {"init_args": {"model": {"init_args": {"channels": 16}}}},
    "data": {"init_args": {"labelled": 32, "pool": 16, "held_out": 8}},
}
#: What makes a recipe small, by the class of its data or its model; the first counts.
SMALL = {
    "GrowingSumsData": GROWING,
    "ReviewedSumsData": REVIEWED,
    "RoomsData": ROOMS,
    "TunesData": TUNES,
    "TwoScriptSumsData": TWO_SCRIPTS,
    "LanguagePolicy": LANGUAGE,
    "BradleyTerryReward": PAIRS,
    "Classifier": DIGITS,
    "Segmenter": SHAPES,
    "SpeechRecognizer": SPOKEN,
}
#: Of what there is less.
FEW = {"size": 6, "number": 20, "max_new_tokens": 12, "simulations": 3, "depth": 3, "start": 3, "end": 3}


def run(recipe: Recipe, folder: Path, models: dict[str, str], rounds: int = 2) -> tuple[Any, list[Version]]:
    """Run a recipe for some rounds; return its model and the rounds.

    Args:
        recipe: The recipe.
        folder: Where to.
        models: Folders to put in place of the models that a recipe leaves to be given.
        rounds: How many.
    """
    text = recipe.text
    for given, here in models.items():
        text = text.replace(given, here)
    callbacks = yaml.safe_load(text)["trainer"]["callbacks"]
    for callback in callbacks:
        _shrink(callback["init_args"], rounds)
    trainer = {**QUIET, "callbacks": callbacks, "max_epochs": 2 + rounds, "default_root_dir": str(folder)}
    texts = "".join(path.read_text() for path in recipe.configs)
    size = next(small for part, small in SMALL.items() if f"class_path: {part}\n" in texts)
    small = {"trainer": trainer, "control": None, **size}
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(small))
    cli = IterativeCLI([*recipe.arguments, "--config", str(path)])
    return cli.model, list(Store(str(folder / "rounds")).versions())


def _shrink(part: Any, rounds: int) -> None:
    """Make rounds of one epoch, after two epochs of warm-up where there is one, of few inputs each."""
    if isinstance(part, dict):
        part |= {name: min(FEW[name], part[name]) for name in FEW if isinstance(part.get(name), int)}
        if "when" in part:
            warmup = min(2, part["when"].get("warmup_epochs", 0))
            part["when"] = {"warmup_epochs": warmup, "every_n_epochs": 1, "max_rounds": rounds}
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _shrink(inner, rounds)
