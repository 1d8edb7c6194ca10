"""The inspector on rounds of a million rows: seconds and memory of its commands, each in a process of its own.

Run ``python benchmarks/inspector.py`` (a minute) or with ``--quick`` (a tenth of the rows, against a hundredth). Two
stores of two rounds are made by hand: labels, and preference pairs with texts. Bounds: ``show`` 2 s and ``diff`` 10 s
for a million rows, started from the command line, imports included; and no command may need half as much memory again
for ten times the rows.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from common import conclude, show_table

from lit_iterative.columns import to_arrow
from lit_iterative.rounds.manifest import Manifest, OpCount
from lit_iterative.rounds.store import Store

SHARD = 8192
SECONDS = {"show": 2.0, "diff": 10.0}
GROWTH = 1.5
COMMANDS = {
    "show": ["show"],
    "diff": ["diff", "0", "1"],
    "sample": ["sample", "--by", "random"],
    "sample best": ["sample", "--by", "best"],
    "sample changed": ["sample", "--by", "changed"],
    "verify": ["verify"],
    "export": ["export", "--format", "parquet", "--output"],
}


def labels(ids: np.ndarray, draw: np.random.Generator) -> pa.Table:
    rows = len(ids)
    source = pa.array(["Policy@0123456789abcdef"] * rows).dictionary_encode()
    return pa.table(
        {
            "id": ids,
            "label": draw.integers(10, size=rows),
            "scores.confidence": draw.random(rows, dtype=np.float32),
            "weight": np.ones(rows, np.float32),
            "probs": to_arrow(draw.random((rows, 10), dtype=np.float32)),
            "source": source,
        }
    )


def pairs(ids: np.ndarray, draw: np.random.Generator) -> pa.Table:
    letters = draw.integers(97, 123, size=(len(ids), 3, 120), dtype=np.uint8)
    texts = [[row[side].tobytes().decode() for row in letters] for side in range(3)]
    scores = draw.random((2, len(ids)))
    return pa.table(
        {
            "id": ids,
            "prompt": texts[0],
            "chosen": texts[1],
            "rejected": texts[2],
            "chosen_score": scores.max(0),
            "rejected_score": scores.min(0),
            "weight": np.ones(len(ids), np.float32),
        }
    )


KINDS = {"labels": labels, "pairs": pairs}


def shards(rows: int, kind: str, seed: int) -> Iterator[pa.Table]:
    """Yield rows whose ids are nine tenths of a pool, in its order, shard after shard."""
    draw = np.random.default_rng(seed)
    ids = np.flatnonzero(draw.random(rows * 10 // 9) < 0.9)[:rows]
    for start in range(0, len(ids), SHARD):
        yield KINDS[kind](ids[start : start + SHARD], draw)


def make_store(folder: str, rows: int, kind: str) -> None:
    store = Store(folder)
    for round in range(2):
        draft = store.draft(round)
        data = draft.add_data(shards(rows, kind, round))
        made = sum(shard.rows for shard in data)
        facts = {"round": round, "key": f"key{round}", "previous": f"key{round - 1}" if round else None}
        facts |= {"plan": "plan", "recipe": {}, "phase": "main", "seed": 0, "weights": "w", "pool": "p", "memory": {}}
        facts |= {"pool_rows": rows * 10 // 9, "shards": data, "serves": round, "metrics_before": {}, "versions": {}}
        facts |= {"ops": [OpCount("Predict", rows, made, 1.0)], "metrics": {"rows": made}}
        draft.commit(Manifest(**facts, seconds=1.0, epoch=round, global_step=0))


CHILD = """
import sys
from lit_iterative.entry import main
main()
try:
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
except OSError:  # not Linux
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(peak, file=sys.stderr)
"""


def timed(arguments: list[str], output: str) -> tuple[float, float]:
    """Run a command; return its seconds and the largest memory that it held, in MB."""
    given = [*arguments, output] if arguments[0] == "export" else arguments
    start = time.perf_counter()
    run = [sys.executable, "-c", CHILD, "rounds", *given]
    said = subprocess.run(run, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
    return time.perf_counter() - start, float(said.split()[-1]) / 1024


def measure(kind: str, sizes: list[int], scratch: str) -> list[tuple[str, list[tuple[float, float]]]]:
    folders = {}
    for rows in sizes:
        folders[rows] = str(Path(scratch) / f"{kind}{rows}")
        make_store(folders[rows], rows, kind)
    found = []
    for name, (command, *rest) in COMMANDS.items():
        runs = []
        for rows in sizes:
            best = [timed([command, folders[rows], *rest], str(Path(scratch) / "out.parquet")) for _ in range(3)]
            runs.append((min(seconds for seconds, _ in best), max(memory for _, memory in best)))
        found.append((name, runs))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    sizes = [10_000, 100_000] if quick else [100_000, 1_000_000]
    table, shares = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for kind in KINDS:
            for name, runs in measure(kind, sizes, scratch):
                (_, small), (seconds, large) = runs
                table.append([f"{kind}: {name}", f"{seconds:.2f} s", f"{small:.0f} MB", f"{large:.0f} MB"])
                shares.append(large / small / GROWTH)
                if name in SECONDS:
                    shares.append(seconds / SECONDS[name])
    show_table(["command", f"{sizes[1]:,} rows", f"memory, {sizes[0]:,} rows", f"memory, {sizes[1]:,} rows"], table)
    claim = f"of {sizes[1]:,} rows, show takes below 2 s, diff below 10 s, and ten times the rows need no more memory"
    conclude(f"{claim}: the largest share of a bound", round(max(shares), 3), 1.0, max(shares) < 1)


if __name__ == "__main__":
    main()
