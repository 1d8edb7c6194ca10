"""Cells of the matrix on two ranks, one after the other: ``python precise.py DIR MODEL STRATEGY SIGN``."""

import json
import sys
from hashlib import sha256

import torch

from lit_iterative.rounds.store import Store
from lit_iterative.sharding import whole
from tests.projects.precisions import cells, run, trained_of


def main(folder: str, path: str, strategy: str, sign: str) -> None:
    torch.set_num_threads(1)
    said = {}
    for number, cell in enumerate(cells(strategy, sign)):
        trainer, module = run(cell, f"{folder}/{number}", path)
        with whole(module):
            trained = trained_of(module)
        weights = sha256(b"".join(value.float().numpy().tobytes() for value in trained.values()))
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
