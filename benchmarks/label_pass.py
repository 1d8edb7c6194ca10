"""What a label pass costs: its speed, its memory, and the hooks where no round is due.

Run ``python benchmarks/label_pass.py``, or with ``--quick`` (within a minute on two cores).

* speed: rows per second of a round's ops (predict, score, select, label, and write every shard) against a bare
  ``module.eval()`` loop over the same DataLoader, in turn inside one fit; the median of the ratios. The bar is for a
  small convolutional network of two layers at full resolution; beside it stands one so tiny (microseconds a row) that
  it costs as much as loading its rows, to show what a round adds to each row.
* memory: by how much memory peaks during a round over 10 thousand to 1 million made-up rows, each in a process of its
  own (on Linux). The pool makes its rows when asked, so that what grows is ours: the ids, 8 bytes a row.
* hooks: seconds spent in the callback's hooks in an epoch without a round, as a share of the epoch.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from common import conclude, show_table
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from lit_iterative.callbacks import Rounds
from lit_iterative.datamodules import Refreshable
from lit_iterative.generation.forward import ForwardPass
from lit_iterative.ops import Confidence, HardLabels, Predict, Threshold
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op
from lit_iterative.pool import Pool
from lit_iterative.rounds import Phase, Store, When
from lit_iterative.rounds.executor import Executor

PIPELINE: list[Op] = [Predict(), Confidence(), Threshold(0.3), HardLabels()]


class Module(pl.LightningModule):
    """A small convolutional network for 28 x 28 images of ten classes; with ``stride`` 2 a tiny one."""

    def __init__(self, width: int = 16, stride: int = 1) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, width, 3, stride), nn.ReLU(), nn.Conv2d(width, width, 3, stride), nn.ReLU(),
            nn.AdaptiveMaxPool2d(6), nn.Flatten(), nn.Linear(width * 36, 10),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


class Images(Dataset[Any]):
    """Made-up images that exist only while they are looked at."""

    def __init__(self, rows: int) -> None:
        self.rows, self.base = rows, torch.randn(1, 28, 28)

    def __len__(self) -> int:
        return self.rows

    def __getitems__(self, indices: list[int]) -> torch.Tensor:
        return self.base + torch.tensor(indices).reshape(-1, 1, 1, 1) % 997 * 1e-3


def keep(batch: Any) -> Any:
    return batch


def inside_fit(act: Callable[[pl.Trainer, pl.LightningModule], Any], module: pl.LightningModule) -> Any:
    """Call a function in the middle of fit, where rounds are made."""
    result = []

    class Act(pl.Callback):
        def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            result.append(act(trainer, pl_module))

    gold = DataLoader(TensorDataset(torch.randn(8, 1, 28, 28), torch.zeros(8, dtype=torch.long)), 8)
    quiet_trainer([Act()], max_epochs=1).fit(module, gold)
    return result[0]


def quiet_trainer(callbacks: list[pl.Callback], **options: Any) -> pl.Trainer:
    off = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return pl.Trainer(callbacks=callbacks, accelerator="cpu", **off, **options)


def make_round(trainer: pl.Trainer, module: pl.LightningModule, pool: Pool, folder: str) -> None:
    """Run a round's ops as the callback does."""
    draft = Store(folder).draft(0)
    Executor(PIPELINE, draft, Context(pool, forward=ForwardPass(trainer, module)), shard_size=8192).run()


def speed(module: pl.LightningModule, rows: int, turns: int) -> tuple[float, float, float]:
    """Return rows per second of a bare loop and of a round, and the median of the ratios turn by turn."""
    data = TensorDataset(torch.randn(rows, 1, 28, 28))
    loader = DataLoader(data, 256)
    pool = Pool(data, 256)

    def bare(trainer: pl.Trainer, module: pl.LightningModule) -> None:
        module.eval()
        with torch.no_grad():
            for batch in loader:
                module(batch[0])
        module.train()

    def timed(trainer: pl.Trainer, module: pl.LightningModule) -> list[tuple[float, float]]:
        pairs = []
        for _ in range(turns + 1):
            start = time.perf_counter()
            bare(trainer, module)
            middle = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                make_round(trainer, module, pool, folder)
            pairs.append((middle - start, time.perf_counter() - middle))
        return pairs[1:]

    pairs = inside_fit(timed, module)
    ratio = statistics.median(a / b for a, b in pairs)
    return rows / statistics.median(a for a, _ in pairs), rows / statistics.median(b for _, b in pairs), ratio


def peak_of_pass(rows: int) -> float:
    """Return by how many MB memory peaks, during a round over so many rows, above what it was before."""
    small, pool = (Pool(Images(size), 512, loader_options={"collate_fn": keep}) for size in (65_536, rows))

    def measured(trainer: pl.Trainer, module: pl.LightningModule) -> float:
        with tempfile.TemporaryDirectory() as folder:
            make_round(trainer, module, small, folder)  # what is loaded once is no cost of a pass
        before = memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak counts from here on
        with tempfile.TemporaryDirectory() as folder:
            make_round(trainer, module, pool, folder)
        return memory("VmHWM") - before

    return float(inside_fit(measured, Module(width=4, stride=2)))


def memory(name: str) -> float:
    """Return an entry of this process's memory in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def peak_in_process(rows: int) -> float:
    command = [sys.executable, __file__, "--peak-of", str(rows)]
    usual = {name: value for name, value in os.environ.items() if name not in STEADY}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=usual)
    return float(json.loads(done.stdout.splitlines()[-1]))


class Timed(Rounds):
    """Adds up the time in every hook that a batch or an epoch without a round calls."""

    spent = 0.0

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._timed(found) if name.startswith(("on_train_epoch", "on_train_batch")) else found

    def _timed(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return hook(*arguments, **named)
            finally:
                self.spent += time.perf_counter() - start

        return call


def hooks(rows: int, epochs: int) -> float:
    """Return the share of epochs without a round that is spent in our hooks."""
    gold = TensorDataset(torch.randn(rows, 1, 28, 28), torch.zeros(rows, dtype=torch.long))
    data = Refreshable.from_loaders(DataLoader(gold, 64), DataLoader(gold, 64))
    seconds = []

    class Clock(pl.Callback):
        def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            seconds.append(-time.perf_counter())

        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            seconds[-1] += time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        rounds = Timed([Phase(PIPELINE)], When(max_rounds=0), dirpath=folder)
        quiet_trainer([rounds, Clock()], max_epochs=epochs).fit(Module(), data)
        return rounds.spent / sum(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="measure the same thing smaller")
    parser.add_argument("--peak-of", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak_of:
        print(json.dumps(peak_of_pass(given.peak_of)))
        return
    size, turns = (8_192, 5) if given.quick else (16_384, 9)
    measured = {"small": speed(Module(), size, turns), "tiny": speed(Module(stride=2), 4 * size, turns)}
    lines = [[name, f"{bare:,.0f}", f"{ours:,.0f}", f"{ratio:.3f}"] for name, (bare, ours, ratio) in measured.items()]
    show_table(["network", "bare rows per second", "round rows per second", "median ratio"], lines)
    print()
    ratio = measured["small"][2]
    sizes = [10_000, 100_000] if given.quick else [10_000, 100_000, 1_000_000]
    peaks = {rows: peak_in_process(rows) for rows in sizes}
    growth = peaks[sizes[-1]] - peaks[sizes[0]]
    show_table(["rows", "peak MB above before"], [[f"{rows:,}", f"{peak:.1f}"] for rows, peak in peaks.items()])
    per_row = growth * 2**20 / (sizes[-1] - sizes[0])
    print(f"growth: {growth:.0f} MB, {per_row:.0f} bytes a row\n")
    share = hooks(*((4_096, 2) if given.quick else (16_384, 4)))
    print(f"hooks in an epoch without a round: {share:.4%}\n")
    holds = ratio >= 0.9 and growth <= 16 + 32 * sizes[-1] / 2**20 and share < 0.01
    conclude("a round labels at 0.9 or more of the speed of a bare eval loop", round(ratio, 3), 0.9, holds)


# Where glibc hands memory back after each batch, every large tensor is paid for in page faults, now here and now
# there: a bare loop alone then differs fourfold from turn to turn. So both sides run with memory that stays.
STEADY = {"MALLOC_TRIM_THRESHOLD_": str(2**32), "MALLOC_MMAP_THRESHOLD_": str(2**32)}

if __name__ == "__main__":
    if "--peak-of" not in sys.argv and not STEADY.keys() <= os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **STEADY})
    main()
