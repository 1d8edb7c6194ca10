"""The matrix of precision, base, strategy and reference: what runs, what is refused, and the page that says so.

``python -m tests.projects.precisions`` writes the tables into docs/precision.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any
from zlib import crc32

import lightning.pytorch as pl
import numpy as np
import pyarrow as pa
import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.utilities.seed import isolate_rng

from lit_iterative.callbacks import EMATeacher, PreferencePairs
from lit_iterative.columns import write
from lit_iterative.datamodules import PromptData
from lit_iterative.generation.language import Sampling
from lit_iterative.modules.backbone import LoRA, Pretrained
from lit_iterative.modules.language import LanguagePolicy
from lit_iterative.modules.objective import Objective
from lit_iterative.ops.actors import EMA, Actor, AtRound, Base, Initial, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language import BestWorst
from lit_iterative.ops.op import Op
from lit_iterative.rounds.plan import When
from tests.projects.words import sums, trainer

PAGE = Path(__file__).parents[2] / "docs" / "precision.md"
BEGIN, END = "<!-- tables: written by tests/projects/precisions.py -->", "<!-- end of tables -->"

#: Precisions of the trainer, and the type that four-bit weights are brought to.
PRECISIONS = {
    "32-true": "float32",
    "bf16-true": "bfloat16",
    "bf16-mixed": "bfloat16",
    "16-mixed": "float16",
    "16-true": "float16",
}
FULL = "all weights"
BASES: dict[str, dict[str, Any]] = {
    FULL: {},
    "LoRA": {},
    "NF4, LoRA": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
    "FP4, LoRA": {"load_in_4bit": True, "bnb_4bit_quant_type": "fp4"},
    "int8, LoRA": {"load_in_8bit": True},
}
REFERENCES: dict[str, Actor | None] = {
    "Policy()": Policy(),
    "Initial()": Initial(),
    "AtRound(0)": AtRound(0),
    "EMA()": EMA(),
    "Base()": Base(),
    "none": None,
}
STRATEGIES = {
    "cpu": "One CPU device",
    "ddp": "DDP, two CPU processes",
    "gpu": "One GPU",
    "gpus": "DDP, several GPUs",
    "fsdp": "FSDP2 (`ModelParallelStrategy`), two CPU processes",
    "sharded": "FSDP, DeepSpeed",
}
#: Strategies whose cells are all alike.
ALIKE = {"gpu": "GPU", "gpus": "GPU", "sharded": "³"}
#: Sentences of the page, by the sign that stands in a cell.
SIGNS = {
    "CI": "two rounds run in every test run",
    "slow": "two rounds run in `make test-slow`",
    "-": "not run",
    "GPU": "not run (needs a GPU)",
    "¹": "refused: float16 weights lose small updates, and 1e-8, the epsilon of AdamW, is 0 there",
    "²": "refused: there is no adapter to switch off",
    "³": "refused: the weights would be spread over devices, and sampling and scoring need them whole",
    "⁴": "refused: `EMATeacher` averages whole weights",
    "⁵": "refused by Lightning",
}
#: How two processes train, by strategy.
DEVICES: dict[str, Callable[[], dict[str, Any]]] = {
    "cpu": dict,
    "ddp": lambda: {"devices": 2, "strategy": "ddp"},
    "fsdp": lambda: {"devices": 2, "strategy": ModelParallelStrategy(2, 1, save_distributed_checkpoint=False)},
}


@dataclass(frozen=True)
class Checksum(Op):
    """A scorer that gives different texts different scores."""

    @property
    def requires(self) -> tuple[str, ...]:
        return ("text",)

    @property
    def provides(self) -> tuple[str, ...]:
        return ("scores.reward",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        scores = [float(crc32(text.encode())) for text in table["text"].to_pylist()]
        return write(table, **{"scores.reward": np.array(scores)})


@dataclass(frozen=True)
class Cell:
    """A combination."""

    precision: str
    base: str
    reference: str
    strategy: str = "cpu"

    @property
    def sign(self) -> str:
        """What stands in the table."""
        if self.strategy in ALIKE:
            return ALIKE[self.strategy]
        if self.reference == "Base()" and self.base == FULL:
            return "²"
        if self.precision == "16-true":
            return "¹"
        return {"ddp": self._ranks_sign, "fsdp": self._sharded_sign}.get(self.strategy, self._sign)()

    def _sign(self) -> str:
        chosen = self.reference == "Policy()" or (self.precision, self.base) == ("bf16-mixed", "NF4, LoRA")
        return "CI" if chosen else "slow"

    def _ranks_sign(self) -> str:
        if self.reference != "Policy()":
            return "slow" if self.precision == "bf16-mixed" else "-"
        chosen = {("32-true", FULL), ("bf16-true", "NF4, LoRA"), ("bf16-mixed", "LoRA"), ("16-mixed", "int8, LoRA")}
        return "CI" if (self.precision, self.base) in chosen else "slow"

    def _sharded_sign(self) -> str:
        if self.base != FULL:
            return "³"
        if self.precision == "16-mixed":
            return "⁵"
        if self.reference == "EMA()":
            return "⁴"
        return "CI" if self.reference == "Policy()" and self.precision != "bf16-mixed" else "slow"

    def __str__(self) -> str:
        return f"{self.precision} | {self.base} | {self.reference}"


def cells(strategy: str, *signs: str) -> list[Cell]:
    """Return the cells of a strategy with one of these signs."""
    every = [Cell(*parts, strategy) for parts in product(PRECISIONS, BASES, REFERENCES)]
    return [cell for cell in every if cell.sign in signs]


# ---- runs -------------------------------------------------------------------------------------------------


def quantisation(base: str, precision: str) -> dict[str, Any]:
    """Return the settings of a base, which computes in the type of the trainer's products."""
    settings = BASES[base]
    return {**settings, "bnb_4bit_compute_dtype": PRECISIONS[precision]} if "load_in_4bit" in settings else settings


def made(path: str, base: str = "LoRA", precision: str = "32-true", seed: int = 0, **options: Any) -> LanguagePolicy:
    """Return a policy on a saved model, the same at every call."""
    defaults = {
        "lora": None if base == FULL else LoRA(r=4),
        "objective": Objective("dpo", {"beta": 0.1}),
        "optimizer": partial(torch.optim.AdamW, lr=1e-3),
    }
    with isolate_rng():
        torch.manual_seed(seed)
        module = LanguagePolicy(Pretrained(path, quantisation=quantisation(base, precision)), **{**defaults, **options})
        module.configure_model()
    return module


def examples(batch_size: int = 4) -> PromptData:
    """Return a few prompts, and examples for a warm-up."""
    return PromptData(sums(8), sums(4, seed=1), batch_size=batch_size)


def rounds(reference: Actor | None = Policy(), **options: Any) -> PreferencePairs:  # noqa: B008  # frozen
    """Return the callback: two rounds, one before each of the epochs 1 and 2."""
    builder = BestWorst(truncated="keep")  # most of what an untrained model says is cut
    defaults = {"builder": builder, "n": 3, "sampling": Sampling(4), "when": When(1, 1), "reference": reference}
    return PreferencePairs([Checksum()], **{**defaults, **options})


def fit(folder: Any, module: LanguagePolicy, *callbacks: pl.Callback, **options: Any) -> pl.Trainer:
    """Train three epochs, and return the trainer."""
    pl.seed_everything(7, verbose=False)
    data = examples(options.pop("batch_size", 4))
    run = trainer(folder, list(callbacks), **options)
    run.fit(module, data)
    return run


def run(cell: Cell, folder: Any, path: str) -> tuple[pl.Trainer, LanguagePolicy]:
    """Train a cell for two rounds."""
    reference = REFERENCES[cell.reference]
    loss = "dpo" if reference is not None else "simpo"
    module = made(path, cell.base, cell.precision, objective=Objective(loss))
    teachers = [EMATeacher(0.5)] if isinstance(reference, EMA) else []
    devices = DEVICES[cell.strategy]()
    return fit(folder, module, rounds(reference), *teachers, precision=cell.precision, **devices), module


def trained_of(module: LanguagePolicy) -> dict[str, torch.Tensor]:
    """Return a copy of the trained weights."""
    named = module.named_parameters()
    return {name: value.detach().clone() for name, value in named if value.requires_grad}


# ---- the page ---------------------------------------------------------------------------------------------


def tables() -> str:
    """Return the part of the page that follows from the matrix."""
    legend = [f"* {sign}: {sentence}" for sign, sentence in SIGNS.items()]
    parts = ["\n".join(legend)]
    for strategy, title in STRATEGIES.items():
        parts += [f"### {title}", _table(strategy)]
    return "\n\n".join([BEGIN, *parts, END])


def _table(strategy: str) -> str:
    if strategy in ALIKE:
        return f"Every cell: {ALIKE[strategy]}"
    lines = ["| precision | what is trained |" + "".join(f" {_code(name)} |" for name in REFERENCES)]
    lines.append("|---|---|" + "---|" * len(REFERENCES))
    for precision, base in product(PRECISIONS, BASES):
        signs = [Cell(precision, base, reference, strategy).sign for reference in REFERENCES]
        lines.append(f"| {precision} | {base} |" + "".join(f" {sign} |" for sign in signs))
    return "\n".join(lines)


def _code(name: str) -> str:
    return f"`{name}`" if name.endswith(")") else name


def page() -> str:
    """Return the page with its tables as they ought to be."""
    before, rest = PAGE.read_text().split(BEGIN)
    return before + tables() + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(page())
