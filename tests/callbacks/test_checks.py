"""Contract 8 and the issue's list of bad input: refused early, with the remedy in the message."""

from contextlib import contextmanager

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.strategies import DeepSpeedStrategy
from torch.utils.data import DataLoader, IterableDataset, SubsetRandomSampler, TensorDataset

from lit_iterative.callbacks import EMATeacher, PseudoLabels, Rounds
from lit_iterative.callbacks.checks import check_actors, check_strategy
from lit_iterative.datamodules import Mixing, Refreshable
from lit_iterative.errors import DataError, LitIterativeError, SetupError, StoreError
from lit_iterative.modules import Fresh, LanguagePolicy, LoRA
from lit_iterative.ops import EMA, Base, Confidence, Ensemble, HardLabels, MCDropout, Policy, Predict, Threshold
from lit_iterative.rounds import Phase, ReinitFromScratch, Store, When
from lit_iterative.rounds.plan import Plan
from tests.projects.tiny import TinyData, TinyModule, TinyRefreshable, fit, points, trainer
from tests.projects.warned import warned


def run(path, module=None, data=None, callbacks=None, **options):
    pl.seed_everything(7, verbose=False)
    made = trainer(path, callbacks or [PseudoLabels(0.5)], max_epochs=4, **options)
    made.fit(module or TinyModule(), data or TinyRefreshable())
    return made


def no_round_was_begun(path):
    return not (path / "rounds").exists()


def test_plain_loaders_say_what_to_do(tmp_path):
    made = trainer(tmp_path, [PseudoLabels()])
    with pytest.raises(SetupError, match="PseudoLabels needs a DataModule.*plain loaders.*Refreshable.from_loaders"):
        made.fit(TinyModule(), TinyData().train_dataloader(), TinyData().val_dataloader())


def test_a_datamodule_that_cannot_swap_says_what_to_do(tmp_path):
    with pytest.raises(SetupError, match=r"class MyTinyData\(Refreshable, TinyData\).*Refreshable.wrap\(TinyData"):
        run(tmp_path, data=TinyData())


def test_two_callbacks_do_not_fight_over_one_datamodule(tmp_path):
    class Other(Rounds):
        pass

    both = [PseudoLabels(), Other([Phase([Predict(), HardLabels()])])]
    with pytest.raises(SetupError, match=r"2 callbacks refresh.*\['PseudoLabels', 'Other'\].*several phases"):
        run(tmp_path, callbacks=both)


def test_no_unlabelled_data(tmp_path):
    with pytest.raises(DataError, match="no unlabelled data"):
        run(tmp_path, data=TinyRefreshable(pool=0))
    assert no_round_was_begun(tmp_path)


def test_ids_that_repeat(tmp_path):
    class Twice(TinyRefreshable):
        def pool_ids(self):
            return np.arange(200) // 2

    with pytest.raises(DataError, match="ids are not unique: 100 repeated"):
        run(tmp_path, data=Twice())
    assert no_round_was_begun(tmp_path)


def test_a_pool_that_changes_when_it_is_asked(tmp_path):
    class Unstable(TinyRefreshable):
        def predict_dataloader(self):
            return DataLoader(TensorDataset(torch.randn(200, 2)), 16)

    with warned("gives another input 0 each time it is asked.*Make its data once"):
        run(tmp_path, data=Unstable())


def test_nan_logits_name_the_inputs(tmp_path):
    class Broken(TinyModule):
        def pseudo_label_step(self, batch, batch_idx):
            out = self(batch[0])
            out[3] = float("nan")
            return out

    with pytest.raises(DataError, match=r"NaN or infinity for 13 inputs, for example ids \[3, 19, 35\].*learning rate"):
        run(tmp_path, Broken())


@pytest.mark.parametrize(
    ("result", "shape"),
    [
        (lambda x: x[:, 0], r"\(16,\)"),
        (lambda x: x[:5], r"\(5, 3\)"),
        (lambda x: x[:, :1], r"\(16, 1\)"),
        (lambda x: x.argmax(1).tolist(), "list"),
        (lambda x: {"classes": x}, "NoneType"),
    ],
)
def test_a_step_that_returns_something_else(tmp_path, result, shape):
    class Other(TinyModule):
        def predict_step(self, batch, batch_idx):
            return result(self(batch[0]))

    with pytest.raises(DataError, match=rf"returned {shape} for 16 inputs.*pseudo_label_step"):
        run(tmp_path, Other())


def test_logits_where_probabilities_were_announced(tmp_path):
    class Loud(TinyModule):
        def pseudo_label_step(self, batch, batch_idx):
            return self(batch[0]) * 100

    with pytest.raises(DataError, match=r"outside of \[0, 1\].*output: logits"):
        run(tmp_path, Loud(), callbacks=[PseudoLabels(output="probs")])


def test_probabilities_where_logits_were_announced(tmp_path):
    class Sure(TinyModule):
        def predict_step(self, batch, batch_idx):
            return self(batch[0]).softmax(1)

    with pytest.raises(DataError, match="returned probabilities.*output: probs"):
        run(tmp_path, Sure())
    run(tmp_path / "probs", Sure(), callbacks=[PseudoLabels(0.5, output="probs")])


def test_a_store_of_another_plan(tmp_path):
    run(tmp_path)
    with pytest.raises(StoreError, match=r"made by another plan.*another dirpath.*delete the folder"):
        run(tmp_path, callbacks=[PseudoLabels(0.7)])


def test_a_shard_that_was_truncated(tmp_path):
    run(tmp_path)
    store = Store(tmp_path / "rounds")
    store.files.remove("last.json")
    last = store.rounds()[-1]
    shard = tmp_path / "rounds" / f"round-{last:05d}" / "data" / "00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(StoreError, match="00000.parquet has .* it is truncated.*run the same command again"):
        run(tmp_path)


def test_a_manifest_of_a_newer_version(tmp_path):
    run(tmp_path)
    store = Store(tmp_path / "rounds")
    name = f"round-{store.rounds()[-1]:05d}/manifest.json"
    store.files.write_json(name, {**store.files.read_json(name), "format": 99})
    with pytest.raises(StoreError, match="format 99.*Update lit-iterative"):
        run(tmp_path)


class Epochs(pl.Callback):
    begun = 0

    def on_train_epoch_start(self, trainer, pl_module):
        self.begun += 1


def refused_before_any_work(tmp_path, match, actor, module=None):
    epochs = Epochs()
    with pytest.raises(SetupError, match=match):
        run(tmp_path, module, callbacks=[PseudoLabels(0.34, warmup_epochs=2, actor=actor), epochs])
    assert epochs.begun == 0
    assert no_round_was_begun(tmp_path)


@pytest.mark.parametrize("actor", [EMA(), Ensemble([Policy(), MCDropout(2, EMA())])])
def test_an_average_that_nobody_keeps(tmp_path, actor):
    refused_before_any_work(tmp_path, r"EMA\(\) asks for an average.*Add the callback EMATeacher.*Policy\(\)", actor)
    run(tmp_path / "with", callbacks=[PseudoLabels(0.34, actor=actor), EMATeacher()])


@pytest.mark.parametrize("actor", [Base(), Ensemble([Policy(), Base()])])
def test_a_base_below_no_adapter(tmp_path, actor):
    class Adapted(TinyModule):
        @contextmanager
        def without_adapter(self):
            yield

    refused_before_any_work(tmp_path, r"Base\(\) needs a policy with an adapter.*TinyModule has none.*a lora", actor)
    run(tmp_path / "with", Adapted(), callbacks=[PseudoLabels(0.34, actor=actor)])


def test_a_language_policy_says_itself_whether_it_has_an_adapter():
    tiny = {"model_type": "llama", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    plan = Plan([Phase([Predict(Base()), HardLabels()])])
    made = trainer(".", [])
    check_actors(made, LanguagePolicy(Fresh("ab", tiny), lora=LoRA(r=2)), plan)
    with pytest.raises(SetupError, match="LanguagePolicy has none"):
        check_actors(made, LanguagePolicy(Fresh("ab", tiny)), plan)


class Scheduled(TinyModule):
    def __init__(self, kind, interval="step"):
        super().__init__()
        self.kind, self.interval = kind, interval

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        steps = int(self.trainer.estimated_stepping_batches) if self.interval == "step" else 4
        made = {
            "onecycle": lambda: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=steps),
            "cosine": lambda: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps),
        }[self.kind]()
        return [optimizer], [{"scheduler": made, "interval": self.interval}]


@pytest.mark.parametrize("kind", ["onecycle", "cosine"])
def test_schedules_that_count_steps_need_epochs_of_fixed_length(tmp_path, kind):
    with pytest.raises(SetupError, match="counts steps up to a fixed end.*rows_per_epoch"):
        run(tmp_path, Scheduled(kind))
    assert no_round_was_begun(tmp_path)
    data = TinyRefreshable()
    data.mixing = Mixing(rows_per_epoch=64)
    made = run(tmp_path, Scheduled(kind), data)
    assert made.global_step == 16
    assert made.lr_scheduler_configs[0].scheduler.last_epoch == 16
    assert len(Store(tmp_path / "rounds").rounds()) == 3


@pytest.mark.parametrize("kind", ["onecycle", "cosine"])
def test_schedules_that_count_epochs_work_with_growing_data(tmp_path, kind):
    made = run(tmp_path, Scheduled(kind, "epoch"))
    assert made.lr_scheduler_configs[0].scheduler.last_epoch == 4


def test_layers_that_cannot_be_reset(tmp_path):
    class Odd(TinyModule):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

    with pytest.raises(SetupError, match="cannot reset the module.*ReinitFromBase"):
        run(tmp_path, Odd(), callbacks=[PseudoLabels(weights=ReinitFromScratch())])
    assert no_round_was_begun(tmp_path)


PLAN = Plan(PseudoLabels().plan.phases)


def test_sharded_strategies_are_refused():
    class Sharded:
        strategy = type("FSDPStrategy", (), {})()

    with pytest.raises(SetupError, match=r"FSDPStrategy.*strategy='ddp'"):
        check_strategy(Sharded(), TinyModule(), PLAN)


def test_deepspeed_is_no_plain_ddp():
    class Sharded:
        strategy = DeepSpeedStrategy.__new__(DeepSpeedStrategy)

    with pytest.raises(SetupError, match=r"DeepSpeedStrategy.*strategy='ddp'"):
        check_strategy(Sharded(), TinyModule(), PLAN)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(TensorDataset(*points(30, 1)))


def loaded(*arguments, **options):
    class Own(TinyData):
        def train_dataloader(self):
            return DataLoader(*arguments, **options)

    return Refreshable.wrap(Own())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"dataset": Stream(), "batch_size": 8}, "_InfiniteConstantSampler"),
        ({"dataset": TensorDataset(*points(8, 1)), "sampler": SubsetRandomSampler(range(8))}, "SubsetRandomSampler"),
    ],
)
def test_loaders_that_cannot_be_rebuilt_are_refused_before_the_warm_up(tmp_path, arguments, named):
    epochs = Epochs()
    with pytest.raises(SetupError, match=f"{named}.*rebuild_train_dataloader"):
        run(tmp_path, data=loaded(**arguments), callbacks=[PseudoLabels(0.5, warmup_epochs=2), epochs])
    assert epochs.begun == 0


def test_a_loader_that_cannot_be_rebuilt(tmp_path):
    class Own(TinyData):
        def train_dataloader(self):
            data = TensorDataset(torch.randn(8, 2), torch.zeros(8, dtype=torch.long))
            weights = torch.utils.data.WeightedRandomSampler([1.0] * 8, 8)
            return DataLoader(data, 4, sampler=weights)

    with pytest.raises(SetupError, match="WeightedRandomSampler.*rebuild_train_dataloader"):
        run(tmp_path, data=Refreshable.wrap(Own()))


def test_every_error_is_one_of_ours_and_of_the_usual_kind():
    for error in (DataError, SetupError, StoreError):
        assert issubclass(error, LitIterativeError)
        assert issubclass(error, ValueError | RuntimeError)


def test_a_full_disk_keeps_the_rounds_and_the_same_command_goes_on(tmp_path, monkeypatch):
    import errno

    from lit_iterative.rounds.files import os as files_os

    whole = fit(str(tmp_path / "whole"), Rounds([Phase(PIPELINE)], When(2)))
    replace = files_os.replace

    def full(source, target):
        if "round-00002/work" in str(target):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(files_os, "replace", full)
    with pytest.raises(StoreError, match="No space left.*same command again"):
        fit(str(tmp_path), Rounds([Phase(PIPELINE)], When(2)))
    assert Store(tmp_path / "rounds").rounds() == [0, 1]
    monkeypatch.undo()
    resumed = fit(str(tmp_path), Rounds([Phase(PIPELINE)], When(2)))
    assert resumed.callback_metrics == whole.callback_metrics


PIPELINE = [Predict(), Confidence(), Threshold(0.4), HardLabels()]
