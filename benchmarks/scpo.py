"""Self-consistency preference rounds against supervised ones, on sums and on word problems.

Run ``python benchmarks/scpo.py`` (about an hour on two cores) or with ``--quick``. It needs
``pip install "lit-iterative[language]"``. The task, the network and the settings of a round are those of
``configs/preference/scpo_arithmetic.yaml``, but for the learning rate, which was chosen on seeds 100 to 102. A seed
draws sums and weights; the policy of a seed is warmed up once, until it works out 60 % of a set of sums of its own, and
all arms start from it:

* ScPO: chosen and rejected by votes alone (Prasad et al., 2024, arXiv:2411.04109).
* IRPO: correct against incorrect completions by the answer key (Pang et al., 2024, arXiv:2404.19733).
* IRPO, a fifth of the keys: the same, on the fifth of the prompts that have a key.
* semi-supervised: the key where there is one (a fifth of the prompts), votes for the others.
* offline: one round of ScPO with as many samples and steps as all rounds together, from the warmed-up policy.
* random: pairs whose order is drawn, the control.

``--data FOLDER``, with MAWPS and ASDiv-A word problems in ``reasoning/mawps_asdiv_svamp/train.csv`` (and SVAMP in
``dev.csv``), also runs the rounds of ``word_problems.py`` with the first seed, about 20 minutes on one core; where
the file is not there the script says so.
"""

import argparse
import logging
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pyarrow as pa
import torch
import word_problems
import yaml
from common import conclude, show_table
from lightning.pytorch.callbacks import EarlyStopping

from lit_iterative.answers import LastNumber
from lit_iterative.callbacks import PreferencePairs
from lit_iterative.columns import write
from lit_iterative.datamodules import SumsData
from lit_iterative.generation.language import Sampling
from lit_iterative.modules import Fresh, HeldOut, LanguagePolicy, Objective, Pretrained
from lit_iterative.ops.context import Context
from lit_iterative.ops.language import BestWorst, CorrectIncorrect, ExtractAnswer, Fallback, SelfConsistency, Verify
from lit_iterative.ops.op import Op
from lit_iterative.rounds import When
from lit_iterative.seeds import generator

CONFIG = Path(__file__).parents[1] / "configs" / "preference" / "scpo_arithmetic.yaml"
#: The accuracy at which a warm-up ends, and its epochs at most.
GOAL, EPOCHS = 0.6, 40
#: The learning rate of rounds.
RATE = 1e-4


@dataclass(frozen=True)
class Random(Op):
    """Scores completions at random."""

    @property
    def requires(self) -> tuple[str, ...]:
        return ("id", "candidate")

    @property
    def provides(self) -> tuple[str, ...]:
        return ("scores.vote",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        rows = zip(table["id"].to_pylist(), table["candidate"].to_pylist(), strict=True)
        drawn = [generator(context.seed, "random", context.round, str(i), c).random() for i, c in rows]
        return write(table, **{"scores.vote": np.array(drawn)})


@dataclass(frozen=True)
class Arm:
    """Who judges, and how much is sampled and trained at a time."""

    scorers: list[Op]
    builder: Callable[[int], Op]
    keys: float = 1.0
    offline: bool = False


class Settings:
    """What the YAML says."""

    def __init__(self, quick: bool) -> None:
        config = yaml.safe_load(CONFIG.read_text())
        model, data = config["model"]["init_args"], config["data"]["init_args"]
        (callback,) = config["trainer"]["callbacks"]
        self.round, self.builder = callback["init_args"], callback["init_args"]["builder"]["init_args"]
        self.network = model["backbone"]["init_args"]
        self.objective = Objective(**model["objective"])
        self.optimizer = model["optimizer"]["init_args"]
        self.rounds = self.round["when"]["max_rounds"]
        self.sampling = Sampling(**self.round["sampling"])
        self.data = {**data, "terms": 3, "prompts": 150, "examples": 100, "held_out": 100} if quick else data
        self.rounds = 2 if quick else self.rounds

    def policy(self, backbone: Any, rate: float) -> LanguagePolicy:
        """Return a policy that learns at a rate."""
        options: dict[str, Any] = {**self.optimizer, "lr": rate, "betas": tuple(self.optimizer["betas"])}
        return LanguagePolicy(
            backbone,
            self.objective,
            held_out=HeldOut(LastNumber(), sampling=Sampling(self.sampling.max_new_tokens, 0.0)),
            batch_size=1024,
            optimizer=partial(torch.optim.AdamW, **options),
        )


class Watch(pl.Callback):
    """Keeps the held-out accuracy of every validation."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seen.append(float(trainer.callback_metrics["val_accuracy"]))


def trainer(folder: str, epochs: int, callbacks: list[pl.Callback], **more: Any) -> pl.Trainer:
    """Return a quiet trainer."""
    quiet = {name: False for name in ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing")}
    options: dict[str, Any] = {"gradient_clip_val": 1.0, "num_sanity_val_steps": 0, "default_root_dir": folder, **quiet}
    return pl.Trainer(max_epochs=epochs, accelerator="cpu", devices=1, callbacks=callbacks, **options, **more)


def warm_up(settings: Settings, seed: int, folder: str) -> float:
    """Train a policy on worked examples, export it, and return its held-out accuracy."""
    pl.seed_everything(seed, verbose=False)
    module = settings.policy(Fresh(**settings.network, seed=seed), settings.optimizer["lr"])
    data, watch = SumsData(**settings.data, seed=seed), Watch()
    data.val_dataloader = SumsData(**settings.data, seed=seed + 1000).val_dataloader  # type: ignore[method-assign]
    enough = EarlyStopping("val_accuracy", mode="max", patience=EPOCHS * 4, stopping_threshold=GOAL)
    trainer(folder, EPOCHS, [enough], val_check_interval=0.25).fit(module, data)
    module.export(f"{folder}/warm")
    trainer(folder, 0, [watch]).validate(module, SumsData(**settings.data, seed=seed), verbose=False)
    return watch.seen[-1]


def arms(settings: Settings) -> dict[str, Arm]:
    """Return the arms by name."""
    tau, pairs = settings.builder["min_score"], settings.builder["at_most"]
    vote: list[Op] = [ExtractAnswer(), SelfConsistency()]
    key: list[Op] = [ExtractAnswer(), Verify()]
    both: list[Op] = [*vote, Verify(), Fallback(["scores.correct", "scores.vote"], score="judged")]

    def voted(times: int) -> Op:
        return BestWorst("scores.vote", min_score=tau, at_most=pairs * times, weigh="gap")

    def known(times: int) -> Op:
        return CorrectIncorrect(at_most=pairs * times)

    def judged(times: int) -> Op:
        return BestWorst("scores.judged", min_score=tau, at_most=pairs * times, weigh="gap")

    return {
        "ScPO": Arm(vote, voted),
        "IRPO": Arm(key, known),
        "IRPO, a fifth of the keys": Arm(key, known, keys=0.2),
        "semi-supervised": Arm(both, judged, keys=0.2),
        "offline": Arm(vote, voted, offline=True),
        "random": Arm([Random()], voted),
    }


def run(settings: Settings, arm: Arm, seed: int, folder: str) -> list[float]:
    """Return the held-out accuracy after each round."""
    pl.seed_everything(seed, verbose=False)
    times, rounds = (settings.rounds, 1) if arm.offline else (1, settings.rounds)
    watch = Watch()
    callback = PreferencePairs(
        arm.scorers,
        arm.builder(times),
        n=settings.round["n"] * times,
        sampling=settings.sampling,
        when=When(max_rounds=rounds),
        optimizer="reset",
    )
    data = SumsData(**settings.data, keys=arm.keys, seed=seed)
    module = settings.policy(Pretrained(f"{folder}/warm"), RATE)
    with tempfile.TemporaryDirectory() as made:
        trainer(made, rounds, [callback, watch]).fit(module, data)
    return watch.seen


def compare(options: argparse.Namespace) -> None:
    """Run all arms on all seeds, print the table and the verdicts."""
    settings = Settings(options.quick)
    seeds = options.seeds[:1] if options.quick else options.seeds
    names = {name: arm for name, arm in arms(settings).items() if not options.arms or name in options.arms}
    results: dict[str, list[list[float]]] = {name: [] for name in names}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            start = warm_up(settings, seed, folder)
            for name, arm in names.items():
                results[name].append([start, *run(settings, arm, seed, folder)])
                print(f"seed {seed}, {name}: {' '.join(f'{value:.3f}' for value in results[name][-1])}", flush=True)
    print()
    table = []
    for name, runs in results.items():
        means = np.mean(runs, axis=0)
        table.append([name, *(f"{value:.3f}" for value in means), *[""] * (settings.rounds + 1 - len(means))])
    show_table(["mean of the seeds", "warm-up", *(f"round {k + 1}" for k in range(settings.rounds))], table)
    verdicts({name: np.array([[run[0], run[-1]] for run in runs]) for name, runs in results.items()})


def verdicts(ends: dict[str, Any]) -> None:
    """Print what the first and last accuracies of all arms say."""
    if not {"ScPO", "IRPO", "IRPO, a fifth of the keys", "semi-supervised", "offline"} <= set(ends):
        return
    last = {name: values[:, 1].mean() for name, values in ends.items()}
    start = ends["ScPO"][:, 0].mean()
    semi = float(last["semi-supervised"] - last["IRPO, a fifth of the keys"])
    conclude("semi-supervised ScPO against IRPO with the same keys", semi, 0.0, semi >= 0)
    margin = float(min(last["ScPO"], last["IRPO"]) - max(last["offline"], start))
    conclude("rounds against warm-up and one offline round", margin, 0.0, margin > 0)
    recovered = float((last["ScPO"] - start) / (last["IRPO"] - start))
    conclude("share of IRPO's gain that ScPO recovers without a key", recovered, 0.8, recovered >= 0.8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the word problems")
    parser.add_argument("--quick", action="store_true", help="smaller, within a minute")
    parser.add_argument("--seeds", type=int, nargs="+", default=[200, 201, 202, 203, 204])
    parser.add_argument("--arms", nargs="+", help="some of the arms")
    parser.add_argument("--only-data", action="store_true", help="the word problems alone")
    options = parser.parse_args()
    problems = (options.data or Path()) / word_problems.FILE
    if options.data is None or not problems.is_file():
        print(f"Word problems are left out: they need --data FOLDER with {word_problems.FILE}.\n")
    else:
        word_problems.compare(problems, options.quick, options.seeds[0])
    if not options.only_data:
        compare(options)


if __name__ == "__main__":
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    main()
