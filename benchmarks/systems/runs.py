"""Runs of recipes with changes, and what their stores say of them."""

import contextlib
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import yaml

from lit_iterative.cli import IterativeCLI
from lit_iterative.recipes import find_recipe
from lit_iterative.rounds.store import Store

QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
Config = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A run that has ended.

    Args:
        model: The module, trained.
        data: The DataModule.
        store: Its rounds.
    """

    model: pl.LightningModule
    data: pl.LightningDataModule
    store: Store

    def curve(self, metric: str = "val_accuracy") -> list[float]:
        """Return a held-out metric after every round."""
        _, *later = [version.manifest.metrics_before for version in self.store.versions()]
        return [metrics[metric] for metrics in (*later, self.store.final_metrics())]


def follow(
    name: str,
    seed: int,
    folder: str,
    change: Callable[[Config], None] | None = None,
    base: Config | None = None,
) -> Run:
    """Run a recipe.

    Args:
        name: Its name.
        seed: Seed of the run and of its data.
        folder: Where to.
        change: Changes what the recipe's own file says, in place.
        base: What is laid over the recipe's base file, below the recipe.
    """
    recipe = find_recipe(name)
    own = yaml.safe_load(recipe.text)
    if change is not None:
        change(own)
    own["trainer"] |= {**QUIET, "default_root_dir": folder}
    configs = [*recipe.configs[:-1]]
    for place, made in enumerate([base, own]):
        if made is not None:
            configs.append(Path(folder, f"{place}.yaml"))
            configs[-1].parent.mkdir(parents=True, exist_ok=True)
            configs[-1].write_text(yaml.safe_dump(made))
    args = ["fit", *(part for path in configs for part in ("--config", str(path)))]
    args += [f"--seed_everything={seed}", f"--data.init_args.seed={seed}", "--control=null"]
    with contextlib.redirect_stdout(io.StringIO()):
        cli = IterativeCLI(args)
    return Run(cli.model, cli.datamodule, Store(f"{folder}/rounds"))


def ends(
    name: str, seed: int, metric: str, arms: dict[str, Callable[[Config], None]], base: Config | None = None
) -> dict[str, float]:
    """Return a held-out metric at the end of a recipe, once for each way of changing it.

    Args:
        name: Its name.
        seed: Seed of all runs, and of their data.
        metric: Name of the metric.
        arms: What changes the recipe's own file, in place, by arm.
        base: What is laid over the recipe's base file, below the recipe.
    """
    found = {}
    for arm, change in arms.items():
        with tempfile.TemporaryDirectory() as folder:
            found[arm] = follow(name, seed, folder, change, base).store.final_metrics()[metric]
    return found
