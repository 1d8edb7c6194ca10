"""Rounds of pseudo-labels against their peers, on real digits with 10 labels a class.

Run ``python benchmarks/pseudo_label.py`` (minutes) or with ``--quick`` (within a minute on two cores). It needs
``pip install "lit-iterative[digits]"``. Everything about the network, its optimiser, its schedule, its
augmentation and its steps is read from ``configs/pseudo_label/digits.yaml``, for all methods that train it:

* rounds: the YAML as it is.
* without rounds: the same steps on the labelled images alone.
* SelfTrainingClassifier: scikit-learn's, around the same network. Every fit gets the steps of one round, and it
  may fit as often as there are rounds.
* LabelSpreading: scikit-learn's, on the pixels; it trains no network.
* all labels: the same steps on the pool with its true labels, the ceiling.

A seed draws the held-out images and the labelled ones. The recipe (mainly by the labels it gave the pool),
SelfTrainingClassifier's threshold (0.5, 0.75, 0.9) and LabelSpreading's kernel (rbf and knn, eight widths) were chosen
on seeds below 200 with one held-out draw; reported are seeds from 200 on, which nothing was chosen on. The recipe uses
that all classes are about equally frequent, which SelfTrainingClassifier is not told. It keeps all rows of the pool,
so that a random subset of the same size, the usual control of a selection, would be the same rows.
"""

import argparse
import copy
import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import conclude, show_table
from lightning.pytorch.cli import LightningCLI
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from torch.utils.data import TensorDataset

import lit_iterative.modules
import lit_iterative.ops
import lit_iterative.rounds  # noqa: F401  # so that YAML may name their classes
from lit_iterative.callbacks import EMATeacher, Rounds
from lit_iterative.datamodules import DigitsData
from lit_iterative.seeds import generator, seed_all

CONFIG = Path(__file__).parents[1] / "configs" / "pseudo_label" / "digits.yaml"
CLEAR_MARGIN = 0.01
Images = np.ndarray[Any, np.dtype[Any]]
Method = Callable[[int, list[str]], float]


class Recipe(LightningCLI):
    """The YAML, instantiated and not run."""

    def __init__(self, seed: int, options: list[str], config: Path = CONFIG) -> None:
        quiet = [
            "--trainer.logger=false",
            "--trainer.enable_progress_bar=false",
            "--trainer.enable_model_summary=false",
        ]
        quiet += ["--trainer.limit_val_batches=0", "--trainer.enable_checkpointing=false"]
        seeds = [f"--seed_everything={seed}", f"--data.init_args.seed={seed}", f"--data.init_args.held_out_seed={seed}"]
        args = ["--config", str(config), *quiet, *seeds, *options]
        super().__init__(run=False, save_config_callback=None, args=args)

    def add_arguments_to_parser(self, parser: Any) -> None:
        parser.add_argument("--control", type=str | None)
        parser.add_argument("--monitor", type=str | None)

    @property
    def rounds(self) -> Rounds:
        (found,) = [callback for callback in self.trainer.callbacks if isinstance(callback, Rounds)]
        return found

    @property
    def rounds_to_make(self) -> int:
        """Rounds that the epochs have room for."""
        when = self.rounds.when
        room = -(-(self.trainer.max_epochs - when.warmup_epochs) // when.every_n_epochs)
        return room if when.max_rounds is None else min(room, when.max_rounds)


def fit_and_test(recipe: Recipe) -> float:
    recipe.trainer.fit(recipe.model, datamodule=recipe.datamodule)
    return recipe.trainer.test(recipe.model, datamodule=recipe.datamodule, verbose=False)[0]["test_accuracy"]


def with_rounds(seed: int, options: list[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return fit_and_test(Recipe(seed, [*options, f"--trainer.default_root_dir={folder}"]))


def without_rounds(seed: int, options: list[str]) -> float:
    recipe = Recipe(seed, options)
    left_out = (Rounds, EMATeacher)
    recipe.trainer.callbacks = [c for c in recipe.trainer.callbacks if not isinstance(c, left_out)]
    return fit_and_test(recipe)


def all_labels(seed: int, options: list[str]) -> float:
    class AllLabels(DigitsData):
        def setup(self, stage: str | None = None) -> None:
            super().setup(stage)
            images, labels = everything(self)
            self.labelled = TensorDataset(images, torch.cat([labels, torch.from_numpy(self.hidden_labels)]))

    recipe = Recipe(seed, options)
    recipe.datamodule.__class__ = AllLabels
    recipe.trainer.callbacks = [c for c in recipe.trainer.callbacks if not isinstance(c, Rounds | EMATeacher)]
    return fit_and_test(recipe)


def everything(data: DigitsData) -> tuple[torch.Tensor, torch.Tensor]:
    """Return labelled and unlabelled images, and the labels of the former."""
    images, labels = data.labelled.tensors
    return torch.cat([images, data.unlabelled.tensors[0]]), labels


class Network(ClassifierMixin, BaseEstimator):
    """The recipe's network as a scikit-learn estimator; a fit gets the steps of one round."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self.recipe = recipe
        self.seed = seed

    def __sklearn_clone__(self) -> "Network":
        return Network(self.recipe, self.seed)

    def fit(self, pixels: Images, labels: Images) -> "Network":
        data, images, targets = self.recipe.datamodule, as_images(pixels), torch.from_numpy(np.asarray(labels))
        self.classes_ = np.unique(labels)
        seed_all(self.seed, len(labels))
        self.module = copy.deepcopy(self.recipe.model)
        for layer in self.module.modules():
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
        made = self.module.configure_optimizers()
        optimizer, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
        self.module.train()
        for epoch in range(self.recipe.rounds.when.every_n_epochs):
            order = rows_of_epoch(len(labels), data.mixing.rows_per_epoch, self.seed, epoch)
            for rows in order.split(data.batch_size):
                batch = images[rows] if data.augment is None else data.augment(images[rows])
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(self.module(batch), targets[rows]).backward()
                optimizer.step()
            schedule.step()
        return self

    @torch.no_grad()
    def predict_proba(self, pixels: Images) -> Images:
        self.module.eval()
        return self.module(as_images(pixels)).softmax(dim=1).numpy()

    def predict(self, pixels: Images) -> Images:
        return self.predict_proba(pixels).argmax(axis=1)


def rows_of_epoch(size: int, wanted: int, seed: int, epoch: int) -> torch.Tensor:
    """Draw rows, each once before any comes again, as rounds do."""
    draw = generator(seed, "rows", epoch)
    passes = [draw.permutation(size) for _ in range(-(-wanted // size))]
    return torch.from_numpy(np.concatenate(passes)[:wanted])


def as_images(pixels: Images) -> torch.Tensor:
    return torch.from_numpy(np.asarray(pixels, dtype=np.float32)).view(-1, 1, 8, 8)


def transductive(data: DigitsData) -> tuple[Images, Images, Images, Images]:
    """Return pixels and labels (-1 where unknown) to fit, and the held-out ones."""
    data.setup("fit")
    images, labels = everything(data)
    known = np.concatenate([labels.numpy(), np.full(len(images) - len(labels), -1)])
    return (
        images.flatten(1).numpy(),
        known,
        data.held_out.tensors[0].flatten(1).numpy(),
        data.held_out.tensors[1].numpy(),
    )


def self_training(seed: int, options: list[str], threshold: float = 0.75) -> float:
    recipe = Recipe(seed, options)
    pixels, known, test_pixels, test_labels = transductive(recipe.datamodule)
    network = Network(recipe, seed)
    # it fits once more at the end, as our first fit is the warm-up
    model = SelfTrainingClassifier(network, threshold=threshold, max_iter=recipe.rounds_to_make).fit(pixels, known)
    return float((model.predict(test_pixels) == test_labels).mean())


def label_spreading(seed: int, options: list[str]) -> float:
    pixels, known, test_pixels, test_labels = transductive(DigitsData(seed=seed, held_out_seed=seed))
    model = LabelSpreading(kernel="knn", n_neighbors=7, max_iter=200).fit(pixels, known)
    return float((model.predict(test_pixels) == test_labels).mean())


METHODS: dict[str, Method] = {
    "rounds": with_rounds,
    "without rounds": without_rounds,
    "SelfTrainingClassifier": self_training,
    "LabelSpreading": label_spreading,
    "all labels (ceiling)": all_labels,
}


def measure(
    method: Callable[[int, list[str]], float], seeds: list[int], options: list[str]
) -> tuple[list[float], float]:
    start = time.perf_counter()
    accuracies = [method(seed, options) for seed in seeds]
    return accuracies, (time.perf_counter() - start) / len(seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seeds and half of the rounds, within a minute")
    parser.add_argument("--seeds", type=int, nargs="+", help="draws of the images; 200 to 204 when left out")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="some of the methods only")
    given, options = parser.parse_known_args()  # the others are options of the recipe, such as --trainer.max_epochs=40
    quieten()
    seeds = given.seeds or ([200, 201] if given.quick else [200, 201, 202, 203, 204])
    options = [*(["--trainer.max_epochs=40"] if given.quick else []), *options]
    results: dict[str, list[float]] = {}
    rows = []
    for name in given.methods:
        accuracies, seconds = measure(METHODS[name], seeds, options)
        results[name] = accuracies
        spread = np.std(accuracies, ddof=1) if len(seeds) > 1 else float("nan")
        rows.append(
            [name, f"{np.mean(accuracies):.4f}", f"{spread:.4f}", *(f"{a:.4f}" for a in accuracies), f"{seconds:.1f}"]
        )
        print(f"{name}: {rows[-1][1]}", flush=True)
    print()
    show_table(["test accuracy", "mean", "std", *(f"seed {seed}" for seed in seeds), "s per seed"], rows)
    if len(results) == len(METHODS):
        decide(results)


def decide(results: dict[str, list[float]]) -> None:
    """Say by how much rounds are better, on average and on how many seeds."""
    margins = {}
    for peer in ("without rounds", "SelfTrainingClassifier", "LabelSpreading"):
        gains = np.subtract(results["rounds"], results[peer])
        margins[peer] = gains.mean()
        print(f"over {peer}: {gains.mean():+.4f}, better on {(gains > 0).sum()} of {len(gains)} seeds")
    claim = "test accuracy of rounds over the same network without rounds, and more than SelfTrainingClassifier's"
    holds = margins["without rounds"] >= CLEAR_MARGIN and margins["SelfTrainingClassifier"] > 0
    conclude(claim, round(margins["without rounds"], 4), CLEAR_MARGIN, holds)


def quieten() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning|sklearn|torch")


if __name__ == "__main__":
    main()
