"""Two ranks measure steps in which unequally many rows count, and write what they log: ``python measured.py DIR``."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.demos.boring_classes import BoringModel

from lit_iterative.modules.step_metrics import StepMetrics
from tests.projects.words import trainer

NAN = float("nan")
#: The values of each rank; the mean over all of ``a`` is 2.5, the mean of the ranks' means would be 2.
VALUES = [
    {"a": [1.0, NAN, NAN, NAN], "b": [NAN, NAN, NAN, NAN], "c": [NAN, NAN, NAN, NAN]},
    {"a": [3.0, 2.0, 4.0, NAN], "b": [0.25, NAN, NAN, 0.5], "c": [NAN, NAN, NAN, NAN]},
]


class Measuring(BoringModel):
    """Measures in every second step, and counts how often ranks are added up in steps."""

    reductions, inside = 0, False

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        if (self.global_step + 1) % 2 == 0:
            values = VALUES[self.global_rank]
            self.inside = True
            metrics = StepMetrics()
            metrics.add({name: torch.tensor(value) for name, value in values.items()})
            metrics.log(self)
            self.inside = False
        return super().training_step(batch, batch_idx)


def main(folder: str) -> None:
    module = Measuring()
    options = {"devices": 2, "strategy": "ddp", "max_epochs": 1, "limit_train_batches": 4, "limit_val_batches": 0}
    run = trainer(folder, [], log_every_n_steps=2, **options)
    reduce = run.strategy.reduce

    def counted(*given: Any, **named: Any) -> Any:
        module.reductions += module.inside
        return reduce(*given, **named)

    run.strategy.reduce = counted  # type: ignore[method-assign]
    run.fit(module)
    metrics = {name: float(value) for name, value in run.callback_metrics.items() if name in "abc"}
    said = {"metrics": metrics, "reductions": module.reductions, "steps": run.global_step}
    Path(folder, f"rank{run.global_rank}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
