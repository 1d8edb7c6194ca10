"""One step on two ranks, or on one that accumulates it: ``python accumulated.py DIR DEVICES``."""

import sys

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader

from lit_iterative.batches import Collate
from tests.projects.networks import prompts
from tests.projects.words import policy

#: Pairs, of which two have the same prompt.
ROWS = 8


def pairs():
    asked, chosen, rejected = (prompts([length + shift for length in (2, 5, 3, 7, 1, 4, 6, 2)], seed) for shift, seed in
                               ((0, 4), (1, 5), (2, 6)))  # fmt: skip
    asked[3] = asked[0]
    return [
        {"prompt_ids": prompt, "chosen_ids": first[1:], "rejected_ids": second[1:], "chosen_ref_logp": -4.0,
         "rejected_ref_logp": -5.0, "weight": 1.0 + row / 4}
        for row, (prompt, first, second) in enumerate(zip(asked, chosen, rejected, strict=True))
    ]  # fmt: skip


def main(folder: str, devices: str) -> None:
    torch.set_num_threads(1)
    ranks = int(devices)
    module = policy(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1.0))
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", devices=ranks, strategy="ddp" if ranks > 1 else "auto", precision="64-true",
        accumulate_grad_batches=2 // ranks, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(module, DataLoader(pairs(), ROWS // 2, collate_fn=Collate(0)))
    if trainer.is_global_zero:
        torch.save({"steps": trainer.global_step, "weights": module.state_dict()}, f"{folder}/made.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
