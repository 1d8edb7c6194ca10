"""Cells of the matrix on two ranks, one after the other: ``python precise.py DIR MODEL SIGN``."""

import json
import sys
from hashlib import sha256

import torch

from lit_iterative.rounds.store import Store
from tests.projects.precisions import cells, run, trained_of


def main(folder: str, path: str, sign: str) -> None:
    torch.set_num_threads(1)
    said = {}
    for number, cell in enumerate(cells("ddp", sign)):
        trainer, module = run(cell, f"{folder}/{number}", path)
        weights = sha256(b"".join(value.float().numpy().tobytes() for value in trained_of(module).values()))
        versions = list(Store(f"{folder}/{number}/rounds").versions())
        said[str(cell)] = {
            "rows": [version.manifest.rows for version in versions],
            "sources": [version.manifest.weights for version in versions],
            "weights": weights.hexdigest(),
        }
    with open(f"{folder}/rank-{trainer.global_rank}.json", "w") as file:
        json.dump(said, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
