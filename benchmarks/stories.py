"""Rounds on a real pretrained model: a 260,000-parameter story model, rewarded for what a lexicon finds happy.

Run ``python benchmarks/stories.py --data FOLDER`` (minutes on two cores) or with ``--quick``. The folder holds
``models/stories260K/hf`` (the model as ``save_pretrained`` writes it) and ``text/vader_lexicon.zip`` (words with their
sentiment); without them the script says so and stops. It needs ``pip install "lit-iterative[language]"``.

Arms, all from the same model, with the same numbers of samples and of rows a round:

* iterative DPO: best against worst of eight stories an opening, by the lexicon.
* best-of-n SFT: the best of eight is imitated.
* one offline round: DPO on the samples of the initial model alone, for as many steps.
* random pairs: iterative DPO on pairs whose order is drawn, the control.
* self-judging: the model first learns to tell happy stories from others (a few hundred examples labelled by the
  lexicon), then judges its own stories; the lexicon is held out.

By round, on held-out openings: the reward, distinct-2 of the stories (Li et al., 2016, arXiv:1510.03055), their
perplexity under the initial model, and the share of stories in which the judge's words appear.
"""

import argparse
import logging
import math
import tempfile
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pyarrow as pa
import torch
from common import conclude, show_table

from lit_iterative.callbacks import Rounds
from lit_iterative.columns import write
from lit_iterative.datamodules import PromptData
from lit_iterative.generation.language import Completion, Sampling
from lit_iterative.judging.rubric import Rubric
from lit_iterative.modules import LanguagePolicy, Pretrained
from lit_iterative.modules.objective import Objective
from lit_iterative.ops.actors import AtRound
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.accepted import TopCandidates
from lit_iterative.ops.language.builders.pairs import BestWorst
from lit_iterative.ops.language.builders.reference import ReferenceLogProbs
from lit_iterative.ops.language.propose.prompts import Prompts
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.language.score.judge import Judge
from lit_iterative.ops.language.score.judges import PolicyJudge
from lit_iterative.ops.op import Op
from lit_iterative.rounds.plan import Phase, When
from lit_iterative.rounds.weights import load_checkpoint_weights, load_into
from lit_iterative.seeds import derive_seed, generator

NEEDED = ("models/stories260K/hf", "text/vader_lexicon.zip")
TOKENS = 96
NAMES = ("Lily", "Tom", "Mia", "Ben", "Anna", "Sam", "Lucy", "Max")
PLACES = (
    "in the park",
    "at home",
    "in the forest",
    "by the sea",
    "in the garden",
    "at school",
    "in a big house",
    "on a farm",
)
OPENINGS = (
    "One day, {name} was {place}.",
    "Once upon a time, {name} played {place}.",
    "{name} was {place} with a friend.",
)
ASK = "{prompt} {completion}\nHappy:"
VERDICTS = {" yes": 1.0, " no": 0.0}
Story = tuple[list[int], Completion]


@cache
def lexicon(path: str) -> dict[str, float]:
    """Return the sentiment of words, from about -4 to 4."""
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("vader_lexicon.txt"))
        lines = archive.read(name).decode("utf-8").splitlines()
    return {fields[0]: float(fields[1]) for line in lines if len(fields := line.split("\t")) > 1}


def happiness(text: str, words: dict[str, float]) -> float:
    """Return ``s / sqrt(s^2 + 15)`` of the summed sentiment ``s``, in (-1, 1), as VADER normalises it."""
    total = sum(words.get(word.strip(".,!?\"'").lower(), 0.0) for word in text.split())
    return total / math.sqrt(total * total + 15)


@dataclass(frozen=True)
class Happiness(Op):
    """Scores texts by the lexicon, or at random."""

    path: str
    random: bool = False

    @property
    def requires(self) -> tuple[str, ...]:
        return ("text", "candidate")

    @property
    def provides(self) -> tuple[str, ...]:
        return ("scores.reward",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        rows = zip(table["id"].to_pylist(), table["candidate"].to_pylist(), strict=True)
        rewards = [happiness(text, lexicon(self.path)) for text in table["text"].to_pylist()]
        if self.random:
            rewards = [generator(context.seed, "random", context.round, str(i), c).random() for i, c in rows]
        return write(table, **{"scores.reward": np.array(rewards, dtype=np.float64)})


@dataclass(frozen=True)
class Arm:
    """What an arm does each round, and how often."""

    ops: list[Op]
    rounds: int
    epochs: int
    warmup: int = 0
    rate: float = 2e-4
    examples: tuple[dict[str, str], ...] = ()


class Steps(pl.Callback):
    """Sets the learning rate of warm-up and of rounds."""

    def __init__(self, warmup: int, rate: float) -> None:
        self.warmup, self.rate = warmup, rate

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = 1e-3 if trainer.current_epoch < self.warmup else self.rate


def prompts() -> list[dict[str, str]]:
    """Return openings of stories."""
    made = [opening.format(name=name, place=place) for opening, name, place in product(OPENINGS, NAMES, PLACES)]
    order = generator("openings").permutation(len(made))
    return [{"prompt": made[index]} for index in order]


def policy(model: str) -> LanguagePolicy:
    """Return the story model."""
    optimizer = partial(torch.optim.AdamW, lr=2e-4, weight_decay=0.0)
    return LanguagePolicy(Pretrained(model), Objective("dpo", {"beta": 0.1}), batch_size=128, optimizer=optimizer)


def stories(
    module: LanguagePolicy, openings: Sequence[Any], draws: int, seed: int, tokens: int = TOKENS
) -> list[Story]:
    """Return the tokens of each opening and of stories that go on with it."""
    ids = [module.encode(item["prompt"]) for item in openings for _ in range(draws)]
    seeds = [derive_seed("story", seed, number) for number in range(len(ids))]
    return list(zip(ids, module.generate(ids, seeds, Sampling(tokens)), strict=True))


def measured(module: LanguagePolicy, initial: LanguagePolicy, openings: Sequence[Any], words: Any) -> dict[str, float]:
    """Return what is reported of a policy."""
    made = stories(module, openings, draws=4, seed=1)
    texts = [module.decode(completion.ids) for _, completion in made]
    bigrams = [pair for text in texts for pair in zip(text.split(), text.split()[1:], strict=False)]
    scores = initial.log_probs([prompt for prompt, _ in made], [completion.ids for _, completion in made])
    tokens = sum(len(completion.ids) for _, completion in made)
    leaks = [any(mark in text for mark in ("Happy:", " yes\n", " no\n")) for text in texts]
    return {
        "reward": float(np.mean([happiness(text, words) for text in texts])),
        "distinct-2": len(set(bigrams)) / len(bigrams),
        "perplexity": math.exp(-sum(score.sum for score in scores) / tokens),
        "leaks": float(np.mean(leaks)),
    }


def judge_examples(module: LanguagePolicy, openings: Sequence[Any], words: Any, draws: int) -> list[dict[str, str]]:
    """Return stories of the initial model with the verdict of the lexicon, and whole stories not to be forgotten."""
    made = stories(module, openings, draws, seed=2)
    both = [(module.decode(prompt), module.decode(completion.ids)) for prompt, completion in made]
    rewards = np.array([happiness(text, words) for _, text in both])
    verdicts = np.where(rewards > np.median(rewards), " yes", " no").tolist()
    asked = [ASK.format(prompt=prompt, completion=text) for prompt, text in both]
    told = [pair for pair in stories(module, openings, draws, 3, tokens=400) if pair[1].finish == "stop"]
    examples = [{"prompt": question, "completion": verdict} for question, verdict in zip(asked, verdicts, strict=True)]
    return examples + [{"prompt": module.decode(p), "completion": " " + module.decode(c.ids)} for p, c in told]


def run(arm: Arm, model: str, pool: list[Any], held_out: list[Any], words: Any, seed: int) -> list[dict[str, float]]:
    """Train an arm and return what is measured before the first round and after each."""
    pl.seed_everything(seed, verbose=False)
    module, initial = policy(model), policy(model)
    initial.configure_model()
    initial.eval()
    rounds = Rounds([Phase(arm.ops, optimizer="reset")], When(arm.epochs, arm.warmup, arm.rounds), shard_size=64)
    quiet = {name: False for name in ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing")}
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            max_epochs=arm.warmup + arm.rounds * arm.epochs,
            accelerator="cpu",
            devices=1,
            callbacks=[Steps(arm.warmup, arm.rate), rounds],
            default_root_dir=folder,
            gradient_clip_val=1.0,
            **quiet,
        )
        trainer.fit(module, PromptData(pool, list(arm.examples) or None, batch_size=32))
        end = {name: value.clone() for name, value in module.state_dict().items()}
        files = rounds.store.files
        states = [load_checkpoint_weights(files, f"round-{k:05d}/boundary.ckpt") for k in range(arm.rounds)]
    module.eval()
    results = []
    for state in [*states, end]:
        load_into(module, state)
        results.append(measured(module, initial, held_out, words))
    return results


def arms(path: str, rounds: int, examples: list[dict[str, str]]) -> dict[str, Arm]:
    """Return the arms by name."""
    begin: list[Op] = [Prompts(), Sample(8, Sampling(TOKENS))]
    pairs: list[Op] = [BestWorst(truncated="keep"), ReferenceLogProbs()]
    judge = Judge(
        PolicyJudge(AtRound(0)), Rubric(ASK, VERDICTS, marker="", quoted=False), "probabilities", score="reward"
    )
    return {
        "iterative DPO": Arm([*begin, Happiness(path), *pairs], rounds, 1),
        "best-of-n SFT": Arm([*begin, Happiness(path), TopCandidates(1, "scores.reward", truncated="keep")], rounds, 1),
        "one offline round": Arm([*begin, Happiness(path), *pairs], 1, rounds),
        "random pairs": Arm([*begin, Happiness(path, random=True), *pairs], rounds, 1),
        "self-judging": Arm([*begin, judge, *pairs], rounds, 1, warmup=3, examples=tuple(examples)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the model and the lexicon")
    parser.add_argument("--quick", action="store_true", help="smaller, within a minute")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--arms", nargs="+", help="some of the arms")
    options = parser.parse_args()
    needed = (
        [options.data / name for name in ("models/stories260K/hf", "text/vader_lexicon.zip")] if options.data else []
    )
    if not needed or not all(path.exists() for path in needed):
        print("Skipped: this benchmark needs --data FOLDER with models/stories260K/hf and text/vader_lexicon.zip.")
        return
    compare(str(needed[0]), str(needed[1]), options)


def compare(model: str, path: str, options: argparse.Namespace) -> None:
    """Run the arms and print what came of them."""
    words, openings = lexicon(path), prompts()
    rounds, inputs = (2, 24) if options.quick else (4, 128)
    seeds = options.seeds[:1] if options.quick else options.seeds
    pool, held_out = openings[:inputs], openings[-32:]
    teacher = policy(model)
    teacher.configure_model()
    examples = judge_examples(teacher.eval(), openings[:inputs], words, 1 if options.quick else 6)
    chosen = {k: v for k, v in arms(path, rounds, examples).items() if not options.arms or k in options.arms}
    table, final = [], {}
    for name, arm in chosen.items():
        runs = [run(arm, model, pool, held_out, words, seed) for seed in seeds]
        for k in range(arm.rounds + 1):
            means = {key: np.mean([result[k][key] for result in runs]) for key in runs[0][k]}
            table.append([name, k, *(f"{value:.3f}" for value in means.values())])
        final[name] = [result[-1]["reward"] for result in runs]
        show_table(["arm", "rounds", "reward", "distinct-2", "perplexity", "leaks"], table[-arm.rounds - 1 :])
        print(flush=True)
    if {"iterative DPO", "one offline round"} <= set(final):
        value = float(np.mean(final["iterative DPO"]) - np.mean(final["one offline round"]))
        conclude(
            "iterative DPO gains this much more reward than one offline round of equal compute", value, 0.0, value > 0
        )


if __name__ == "__main__":
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    main()
