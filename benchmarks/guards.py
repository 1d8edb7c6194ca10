"""Guards on runs that are made to collapse, and on healthy ones: false alarms, misses, and what is shipped.

Run ``python benchmarks/guards.py`` (ten seeds, about ten minutes on one core) or with ``--quick`` (two seeds). It
needs ``pip install "lit-iterative[digits,language]"``. Two healthy runs are spoilt in one place each:

* digits: pseudo-labels for the handwritten digits, 20 labels a class, and a small network.
  ``noisy teacher``: from the second round on most labels are drawn at random. ``one class``: most labels become 0.
  ``stuck``: the learning rate is 0.
* sums: a small Llama, warmed up on sums that are worked out, learns from its own right answers (rejection sampling).
  ``long is good``: it learns from its longest completions, at five times the rate. ``cold loop``: from the second
  round on the temperature is 0. ``spendthrift``: it samples four times as much.

Every guard watches every run and only warns, with the same bounds in all of them, which were chosen on seeds from 100
on; reported are seeds from 0 on. A guard that fires on a healthy run is a false alarm; one that does not fire on a run
that is made for it is a miss. Then the spoilt runs are made again with ``GoBack`` and ``BestRound``, and the held-out
accuracy of what is shipped is measured and compared with that of the best round.
"""

import argparse
import logging
import tempfile
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pyarrow as pa
import torch
from common import conclude, show_table
from torch import nn

from lit_iterative.answers import LastNumber
from lit_iterative.callbacks import BestRound, Guards, Rounds
from lit_iterative.columns import read, write
from lit_iterative.datamodules import DigitsData, SumsData
from lit_iterative.generation.language import Sampling
from lit_iterative.guards import (
    AnswerCollapse,
    Budget,
    CanariesOverconfident,
    CanariesWrong,
    ClassCollapse,
    Condition,
    Disagreement,
    DistinctCollapse,
    Finish,
    GoBack,
    Guard,
    KLBudget,
    LabelFlips,
    LengthDrift,
    LittleToGain,
    NoGain,
    NoNewData,
    Overoptimised,
    Sharpening,
    Worse,
)
from lit_iterative.modules import Classifier, Fresh, HeldOut, LanguagePolicy, Pretrained
from lit_iterative.ops import Canaries, Confidence, HardLabels, Predict, Remember, RoundAgreement, Steps, Threshold
from lit_iterative.ops.canaries import drawn
from lit_iterative.ops.context import Context
from lit_iterative.ops.language import (
    Accept,
    AnswerEntropy,
    DistinctN,
    Divergence,
    ExtractAnswer,
    PassRate,
    Prompts,
    Sample,
    SelfConsistency,
    Verify,
)
from lit_iterative.ops.op import Op
from lit_iterative.rounds import Phase, Store, When
from lit_iterative.seeds import generator

DIGITS, SUMS = "digits", "sums"
ALPHABET = "0123456789+="
LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 48,
}
HELD_OUT = "val_accuracy"
#: Conditions that end a run; the healthy run on digits has nothing left to gain, so that they are right there.
ENDS = (NoNewData, NoGain, LittleToGain, Budget)
#: Epochs in which the policy that runs on sums start from is warmed up.
EPOCHS = 20


@dataclass(frozen=True)
class Spoil(Op):
    """Gives a share of the inputs other labels, from the second round on: drawn ones, or 0."""

    share: float
    zero: bool = False

    @property
    def requires(self) -> tuple[str, ...]:
        return ("label",)

    @property
    def provides(self) -> tuple[str, ...]:
        return ("label",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        if context.round == 0 or not self.share:
            return table
        draw = generator(context.seed, "spoil", context.round, str(read(table, "id")[:1]))
        label, spoilt = read(table, "label"), draw.random(table.num_rows) < self.share
        other = np.zeros(len(label), int) if self.zero else draw.integers(0, 10, len(label))
        return write(table, label=np.where(spoilt, other, label))


@dataclass(frozen=True)
class Long(Op):
    """Scores completions by their length."""

    @property
    def requires(self) -> tuple[str, ...]:
        return ("text",)

    @property
    def provides(self) -> tuple[str, ...]:
        return ("scores.long",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        score = np.array([len(text) for text in table["text"].to_pylist()], dtype=np.float64)
        context.tally.mean("reward", score)
        return write(table, **{"scores.long": score})


@dataclass(frozen=True)
class Case:
    """A run: what it is, how it is spoilt, and the conditions that are to notice."""

    task: str
    name: str
    spoilt: dict[str, Any]
    noticed_by: tuple[type[Condition], ...] = ()


CASES = [
    Case(DIGITS, "healthy", {}),
    Case(
        DIGITS,
        "noisy teacher",
        {"ops": [Spoil(0.8)]},
        (LabelFlips, Disagreement, CanariesWrong, CanariesOverconfident),
    ),
    Case(DIGITS, "one class", {"ops": [Spoil(0.8, zero=True)]}, (Worse, ClassCollapse, CanariesWrong)),
    Case(DIGITS, "stuck", {"rate": 0.0}, (NoNewData, NoGain, LittleToGain)),
    Case(SUMS, "healthy", {}),
    Case(SUMS, "long is good", {"builder": Accept("scores.long", -1.0, at_most=1, truncated="keep"), "rate": 1e-3},
         (Worse, LengthDrift, KLBudget, Overoptimised)),
    Case(SUMS, "cold loop", {"temperature": Steps([1.0, 0.0])}, (DistinctCollapse, AnswerCollapse, Sharpening)),
    Case(SUMS, "spendthrift", {"n": 32}, (Budget,)),
]  # fmt: skip
CONDITIONS: dict[str, list[Condition]] = {
    DIGITS: [
        Worse(HELD_OUT, tolerance=0.05),
        ClassCollapse(),
        LabelFlips(),
        Disagreement(),
        CanariesWrong(),
        CanariesOverconfident(),
        NoNewData(),
        NoGain(HELD_OUT, rounds=4),
        LittleToGain(HELD_OUT, bound=0.001, window=4),
    ],
    SUMS: [
        Worse(HELD_OUT, tolerance=0.1),
        LengthDrift(factor=1.15),
        KLBudget(nats=6.0),
        DistinctCollapse(),
        AnswerCollapse(),
        Sharpening(),
        Overoptimised("round/reward", HELD_OUT, tolerance=0.1, rise=0.5),
        NoGain("round/pass_rate"),
        LittleToGain("round/pass_rate", bound=0.002, window=4),
        Budget(tokens=100_000),
    ],
}


class Task:
    """What runs of one seed share: data, a first policy, the length of a run."""

    def __init__(self, seed: int, rounds: int, folder: str) -> None:
        self.seed, self.rounds, self.folder = seed, rounds, folder
        self.warm_up()

    def trainer(self, folder: str, epochs: int, callbacks: list[pl.Callback]) -> pl.Trainer:
        """Return a quiet trainer."""
        off = ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing")
        quiet: dict[str, Any] = {name: False for name in off}
        options = {"accelerator": "cpu", "devices": 1, "num_sanity_val_steps": 0, "gradient_clip_val": 1.0, **quiet}
        return pl.Trainer(max_epochs=epochs, default_root_dir=folder, callbacks=callbacks, **options)

    def warm_up(self) -> None:
        """Train the policy that runs on sums start from."""
        pl.seed_everything(self.seed, verbose=False)
        module, data = self.policy(Fresh(ALPHABET, LLAMA, self.seed), 3e-3), self.sums()
        self.trainer(self.folder, EPOCHS, []).fit(module, data)
        module.export(f"{self.folder}/warm")

    def sums(self) -> SumsData:
        """Return the sums."""
        return SumsData(96, 100, orders=10, held_out=160, terms=3, seed=self.seed, batch_size=64)

    def policy(self, backbone: Any, rate: float) -> LanguagePolicy:
        """Return a policy that learns by imitation."""
        held_out = HeldOut(LastNumber(), sampling=Sampling(24, temperature=0.0))
        optimizer = partial(torch.optim.AdamW, lr=rate)
        return LanguagePolicy(backbone, held_out=held_out, batch_size=1024, optimizer=optimizer)

    def run(self, case: Case, callbacks: list[pl.Callback], folder: str) -> tuple[pl.Trainer, Any, Any]:
        """Make a run, and return the trainer, the module and its data."""
        pl.seed_everything(self.seed, verbose=False)
        make = self.on_digits if case.task == DIGITS else self.on_sums
        module, data, rounds = make(**case.spoilt)
        length = rounds.when.warmup_epochs + self.rounds * rounds.when.every_n_epochs
        made = self.trainer(folder, length, [rounds, *callbacks])
        made.fit(module, data)
        return made, module, data

    def on_digits(self, ops: list[Op] | None = None, rate: float = 3e-3) -> tuple[Any, Any, Rounds]:
        """Return what a run on digits needs."""
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))
        module = Classifier(network, 10, partial(torch.optim.AdamW, lr=rate))
        label: list[Op] = [Predict(), Confidence(), HardLabels(), *(ops or [])]
        data = DigitsData(labels_per_class=20, seed=self.seed, held_out_seed=self.seed)
        measure: list[Op] = [RoundAgreement(), Remember(["label"]), Canaries(self.answers(data))]
        when = When(every_n_epochs=2, warmup_epochs=20)
        return module, data, Rounds([Phase([*label, *measure, Threshold(0.7)])], when)

    def answers(self, data: DigitsData) -> dict[str, int]:
        """Return the answers of a fifth of the pool, which somebody is to have looked at."""
        data.setup()
        known = drawn(np.arange(len(data.hidden_labels)), 0.2, None, self.seed)
        return {str(key): int(data.hidden_labels[key]) for key in np.flatnonzero(known)}

    def on_sums(
        self,
        builder: Op = Accept("scores.correct", 0.5, at_most=4),  # noqa: B008  # frozen
        temperature: Any = 1.0,
        rate: float = 2e-4,
        n: int = 8,
    ) -> tuple[Any, Any, Rounds]:
        """Return what a run on sums needs."""
        module = self.policy(Pretrained(f"{self.folder}/warm"), rate)
        sample: list[Op] = [Prompts(["answer"]), Sample(n, Sampling(24), temperature=temperature)]
        score: list[Op] = [ExtractAnswer(), SelfConsistency(), Verify(), Long()]
        measure: list[Op] = [PassRate(), AnswerEntropy(), DistinctN(), Divergence()]
        return module, self.sums(), Rounds([Phase([*sample, *score, *measure, builder])], When(), shard_size=96)


def fired(task: Task, case: Case) -> tuple[set[str], list[float]]:
    """Return the conditions that were met in a run, and its held-out accuracies."""
    guards = Guards([Guard(condition) for condition in CONDITIONS[case.task]])
    with tempfile.TemporaryDirectory() as folder:
        made, _, _ = task.run(case, [guards], folder)
        manifests = [version.manifest for version in Store(f"{folder}/rounds").versions()]
    names = {event.guard for manifest in manifests for event in manifest.verdict.events if event.action}
    before = [manifest.metrics_before.get(HELD_OUT, float("nan")) for manifest in manifests]
    return names, [*before, float(made.callback_metrics[HELD_OUT])]


def shipped(task: Task, case: Case) -> tuple[float, float]:
    """Return the held-out accuracy of what is shipped with a way back, and that of the best round."""
    back = GoBack(HELD_OUT, times=2)
    conditions = [condition for condition in CONDITIONS[case.task] if type(condition) in case.noticed_by]
    actions = [Finish() if isinstance(condition, ENDS) else back for condition in conditions]
    guards = Guards([Guard(condition, action) for condition, action in zip(conditions, actions, strict=True)])
    with tempfile.TemporaryDirectory() as folder:
        made, module, data = task.run(case, [guards, BestRound(HELD_OUT)], folder)
        store = Store(f"{folder}/rounds")
        known = [version.manifest.metrics_before.get(HELD_OUT, 0.0) for version in store.versions()]
    (found,) = made.validate(module, data, verbose=False)
    return found[HELD_OUT], max(known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seeds")
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--verbose", action="store_true", help="show every run")
    given = parser.parse_args()
    seeds = given.seeds or list(range(2 if given.quick else 10))
    compare(seeds, rounds=6, verbose=given.verbose)


def compare(seeds: list[int], rounds: int, verbose: bool) -> None:
    """Make all runs, and print what guards said of them."""
    alarms: dict[tuple[str, str], list[set[str]]] = {(case.task, case.name): [] for case in CASES}
    ends: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            task = Task(seed, rounds, folder)
            for case in CASES:
                names, accuracies = fired(task, case)
                alarms[case.task, case.name].append(names)
                if verbose:
                    print(
                        seed, case.task, case.name, sorted(names), " ".join(f"{a:.3f}" for a in accuracies), flush=True
                    )
                if case.noticed_by:
                    ends.setdefault((case.task, case.name), []).append((accuracies[-1], *shipped(task, case)))
    report(alarms, ends, len(seeds))


def report(alarms: Any, ends: Any, seeds: int) -> None:
    """Print the tables and the verdicts."""
    rows, misses, expected = [], 0, 0
    for case in CASES:
        for condition in case.noticed_by:
            name = condition.__name__
            caught = sum(name in names for names in alarms[case.task, case.name])
            misses, expected = misses + seeds - caught, expected + seeds
            rows.append([name, f"{case.task}, {case.name}", f"{caught} of {seeds}"])
    show_table(["guard", "run that is made for it", "fires"], rows)
    false = {
        (case.task, condition.name): sum(condition.name in names for names in alarms[case.task, "healthy"])
        for case in CASES
        if not case.noticed_by
        for condition in CONDITIONS[case.task]
        if case.task == SUMS or not isinstance(condition, ENDS)
    }
    print()
    show_table(["guard", "healthy run", "fires"], [[n, t, f"{count} of {seeds}"] for (t, n), count in false.items()])
    print()
    rows = [
        [f"{task}, {name}", *(f"{value:.3f}" for value in np.mean(values, axis=0))]
        for (task, name), values in ends.items()
    ]
    show_table(["held-out accuracy, mean of the seeds", "without guards", "shipped", "best round"], rows)
    print()
    conclude("share of spoilt runs that their guards miss", misses / expected, 0.0, misses == 0)
    alarm = sum(false.values()) / (seeds * len(false))
    conclude("share of guards on healthy runs that fire", alarm, 0.0, alarm == 0)
    gap = min(ship - top for values in ends.values() for _, ship, top in values)
    conclude("least of shipped minus best held-out accuracy, with a way back", gap, 0.0, gap >= -1e-6)


if __name__ == "__main__":
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    main()
