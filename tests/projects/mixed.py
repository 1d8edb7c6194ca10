"""Two ranks train on every kind of mixture, and say what weights each ended with: ``python mixed.py DIR CASE``."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lit_iterative.callbacks import Rounds
from lit_iterative.datamodules import Mixing
from lit_iterative.ops import Confidence, HardLabels, Predict, SoftLabels, SoftMatch
from lit_iterative.rounds import Continue, Phase, ReinitFromBase, ReinitFromScratch, When
from lit_iterative.rounds.make import hash_weights
from tests.projects.tiny import TinyModule, TinyRefreshable, fit

CASES = {
    "items": (Mixing(weighting="item"), SoftLabels(), ReinitFromScratch()),
    "paired": (Mixing(mode="paired"), HardLabels(), ReinitFromBase()),
    "sampled": (Mixing(mode="replace", weighting="sample"), SoftLabels(), Continue()),
}


class Mixed(TinyModule):
    def __init__(self) -> None:
        super().__init__(norm=False)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        if isinstance(batch, dict):
            return torch.stack([self.training_step(part, batch_idx) for part in batch.values()]).sum()
        x, y, *weight = batch
        losses = nn.functional.cross_entropy(self(x), y, reduction="none")
        return (losses * weight[0]).mean() if weight else losses.mean()


def main(folder: str, case: str) -> None:
    data = TinyRefreshable()
    data.mixing, labels, policy = CASES[case]
    phase = Phase([Predict(), Confidence(), SoftMatch(), labels], weights=policy, optimizer="reset")
    made = fit(folder, Rounds([phase], When(2, 2)), data, Mixed, devices=2, strategy="ddp", max_epochs=6)
    said = {"weights": hash_weights(made.lightning_module.state_dict()), "steps": made.global_step}
    Path(folder, f"rank{made.global_rank}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
