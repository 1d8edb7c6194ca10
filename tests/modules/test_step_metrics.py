import csv
import os
import sys
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from lit_iterative.attention.probe import takes_trees
from lit_iterative.batches import Collate
from lit_iterative.losses.split import obstacle
from lit_iterative.modules.step_metrics import StepMetrics
from tests.projects.words import policy, trainer

NAN = float("nan")
ROWS = [
    {
        "prompt_ids": [1, 5 + number],
        "chosen_ids": [6, 7, 2],
        "rejected_ids": [8, 2],
        "chosen_ref_logp": -8.0,
        "rejected_ref_logp": -5.0,
        "weight": 0.5 + number / 8,
    }
    for number in range(8)
]


class Module:
    """A module of one of several ranks, of which the others have added up to ``others`` so far."""

    def __init__(self, others):
        self.logged, self.reduced, self.others = {}, [], others
        self.trainer = SimpleNamespace(strategy=SimpleNamespace(reduce=self.reduce))

    def reduce(self, values, reduce_op):
        assert reduce_op == "sum"
        self.reduced.append(values.clone())
        return values + self.others

    def log_dict(self, values, **options):
        self.logged |= {name: float(value) for name, value in values.items()}


def test_a_mean_over_all_ranks_is_no_mean_of_means():
    module = Module(torch.tensor([[30.0, 6.0], [7.0, 1.0]]))  # the other rank's sums and counts
    metrics = StepMetrics()
    metrics.add({"a": torch.tensor([1.0, NAN, 2.0]), "b": torch.tensor([NAN, NAN, NAN])})
    metrics.log(module)
    assert module.logged == {"a": pytest.approx((1 + 2 + 30) / (2 + 6)), "b": 7.0}
    assert len(module.reduced) == 1
    assert module.reduced[0].tolist() == [[3, 2], [0, 0]]


def test_a_mean_over_micro_batches_is_no_mean_of_means():
    module, metrics = Module(0), StepMetrics()
    metrics.add({"a": torch.tensor([1.0, NAN, 2.0])})
    metrics.add({"a": torch.tensor([9.0]), "b": torch.tensor([5.0])})
    metrics.log(module)
    assert module.logged == {"a": 4.0, "b": 5.0}
    metrics.add({"a": torch.tensor([7.0])})
    metrics.log(module)
    assert module.logged["a"] == 7.0
    assert len(module.reduced) == 2


def test_a_mean_of_nothing_is_no_number():
    module, metrics = Module(0), StepMetrics()
    metrics.add({"a": torch.tensor([NAN])})
    metrics.log(module)
    assert module.logged["a"] != module.logged["a"]


def test_nothing_measured_is_no_collective():
    module = Module(0)
    StepMetrics().log(module)
    assert not module.reduced


class Counting:
    """Counts what of this package waits for other ranks or for the device inside of training steps."""

    WAITS = ("item", "tolist", "__float__", "__int__", "__bool__", "cpu", "numpy")

    def __init__(self, monkeypatch, module, run):
        self.found, self.inside = {}, False
        reduce = run.strategy.reduce

        def watched(function):
            def call(*arguments):
                self.inside = True
                try:
                    return function(*arguments)
                finally:
                    self.inside = False

            return call

        def counted(name, function):
            def call(*arguments, **options):
                if self.inside and f"{os.sep}lit_iterative{os.sep}" in sys._getframe(1).f_code.co_filename:
                    self.found[name] = self.found.get(name, 0) + 1
                return function(*arguments, **options)

            return call

        for name in ("training_step", "on_before_optimizer_step"):
            monkeypatch.setattr(module, name, watched(getattr(module, name)))
        monkeypatch.setattr(run.strategy, "reduce", counted("reduce", reduce))
        for name in self.WAITS:
            monkeypatch.setattr(torch.Tensor, name, counted(name, getattr(torch.Tensor, name)))


@pytest.mark.parametrize(("every", "reductions"), [(1000, 0), (2, 2), (1, 4)])
def test_steps_wait_for_nobody_but_when_they_log(tmp_path, monkeypatch, every, reductions):
    module, run = policy(), trainer(tmp_path, [], max_epochs=1, log_every_n_steps=every)
    module.configure_model()
    assert obstacle(module.network) is None
    assert takes_trees(module.network)
    counting = Counting(monkeypatch, module, run)
    run.fit(module, DataLoader(ROWS, 2, collate_fn=Collate(0)))
    assert run.global_step == 4
    assert counting.found.pop("reduce", 0) == reductions
    assert counting.found == {}
    assert ("rewards/margins" in run.callback_metrics) == (reductions > 0)


def test_micro_batches_are_measured_as_one_batch_is(tmp_path):
    def logged(size, **options):
        run = trainer(tmp_path, [], max_epochs=1, log_every_n_steps=1, **options)
        counting = Counting(monkeypatch, module := policy(), run)
        run.fit(module, DataLoader(ROWS, size, collate_fn=Collate(0)))
        assert (run.global_step, counting.found["reduce"]) == (1, 1)
        return {name: float(value) for name, value in run.callback_metrics.items() if name != "train_loss"}

    with pytest.MonkeyPatch.context() as monkeypatch:
        assert logged(3, accumulate_grad_batches=3) == pytest.approx(logged(8), abs=1e-5)


def test_metrics_are_logged_in_the_steps_in_which_the_trainer_logs(tmp_path):
    run = trainer(tmp_path, [], max_epochs=1, log_every_n_steps=2, logger=CSVLogger(tmp_path))
    run.fit(policy(), DataLoader(ROWS, 2, collate_fn=Collate(0)))
    with open(tmp_path / "lightning_logs" / "version_0" / "metrics.csv") as file:
        lines = list(csv.DictReader(file))
    assert [line["step"] for line in lines if line["rewards/margins"]] == ["1", "3"]
