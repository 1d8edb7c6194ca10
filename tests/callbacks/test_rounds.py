import os

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.plugins import MixedPrecision

from lit_iterative.callbacks import EMATeacher, PseudoLabels, Rounds
from lit_iterative.columns import read
from lit_iterative.errors import SetupError, StoreError
from lit_iterative.ops import EMA, Confidence, HardLabels, Initial, MCDropout, Predict, Previous, Threshold
from lit_iterative.rounds import Continue, Phase, ReinitFromBase, ReinitFromScratch, Rewind, RollBack, Store, When
from lit_iterative.rounds.make import hash_weights
from tests.projects.tiny import TinyModule, TinyRefreshable, fit
from tests.projects.warned import warned


def pipeline(actor=None, threshold=0.5):
    return [Predict(actor) if actor else Predict(), Confidence(), Threshold(threshold), HardLabels()]


def rounds(when=None, **phase):
    return Rounds([Phase(pipeline(), **phase)], when or When(every_n_epochs=2, warmup_epochs=2))


def versions(path):
    return list(Store(path / "rounds").versions())


class Recorder(pl.Callback):
    """Notes what training sees: rows of every epoch, weights and optimiser state at its start and end."""

    def __init__(self):
        self.rows, self.starts, self.ends, self.moments, self.rates = {}, {}, {}, {}, {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        epoch = trainer.current_epoch
        self.rows[epoch] = self.rows.get(epoch, 0) + len(batch[0])
        if batch_idx == 0:
            self.starts[epoch] = hash_weights(pl_module.state_dict())
            self.moments[epoch] = len(trainer.optimizers[0].state)
            self.rates[epoch] = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_epoch_end(self, trainer, pl_module):
        self.ends[trainer.current_epoch] = hash_weights(pl_module.state_dict())


def watched(path, callback, **options):
    recorder, options = Recorder(), {"max_epochs": 6, **options}
    pl.seed_everything(7, verbose=False)
    made = pl.Trainer(
        default_root_dir=path, callbacks=[callback, recorder, *options.pop("also", [])], accelerator="cpu",
        logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=options.pop("enable_checkpointing", False), **options,
    )  # fmt: skip
    made.fit(TinyModule(), TinyRefreshable())
    return made, recorder


def test_every_round_trains_on_its_own_rows(tmp_path):
    _, seen = watched(tmp_path, rounds())
    made = versions(tmp_path)
    assert [version.manifest.epoch for version in made] == [2, 4]
    kept = [version.manifest.rows for version in made]
    assert 0 < kept[0] <= 200
    assert seen.rows[0] == seen.rows[1] == 30
    for epoch, version in ((2, 0), (3, 0), (4, 1), (5, 1)):
        assert 0 <= 30 + kept[version] - seen.rows[epoch] <= 1  # a last batch of one is dropped


def test_the_second_round_labels_with_the_weights_of_its_time(tmp_path):
    _, seen = watched(tmp_path, rounds())
    made = versions(tmp_path)
    assert [version.manifest.weights for version in made] == [seen.ends[1], seen.ends[3]]
    assert made[0].manifest.weights != made[1].manifest.weights
    assert made[1].manifest.previous == made[0].manifest.key
    assert set(made[1].table()["round"].to_pylist()) == {1}


@pytest.mark.parametrize("warmup", [0, 1])
def test_a_round_may_come_before_any_training(tmp_path, warmup):
    _, seen = watched(tmp_path, Rounds([Phase(pipeline(threshold=0.34))], When(3, warmup)))
    assert versions(tmp_path)[0].manifest.epoch == warmup
    assert seen.rows[warmup] > 100


def test_rounds_end_when_they_are_all_made(tmp_path):
    watched(tmp_path, rounds(When(max_rounds=1)))
    assert len(versions(tmp_path)) == 1


def test_no_round_is_made_after_the_last_epoch(tmp_path):
    watched(tmp_path, rounds(When(every_n_epochs=3)), max_epochs=6)
    assert [version.manifest.epoch for version in versions(tmp_path)] == [0, 3]


def test_sub_epoch_rounds_through_limit_train_batches(tmp_path):
    _, seen = watched(tmp_path, rounds(When()), limit_train_batches=1, max_epochs=3)
    assert len(versions(tmp_path)) == 3
    assert seen.rows == {0: 16, 1: 16, 2: 16}


@pytest.mark.parametrize(
    ("policy", "same_as"), [(Continue(), "before"), (ReinitFromBase(), "initial"), (ReinitFromScratch(), "new")]
)
def test_weights_at_the_start_of_a_round(tmp_path, policy, same_as):
    _, seen = watched(tmp_path, rounds(weights=policy))
    places = {"before": seen.ends[1], "initial": seen.starts[0]}
    assert (seen.starts[2] == places["before"]) == (same_as == "before")
    assert (seen.starts[2] == places["initial"]) == (same_as == "initial")
    assert (seen.starts[4] == seen.starts[2]) == (same_as == "initial")


def test_rewind_begins_where_the_training_before_began(tmp_path):
    phases = [Phase(pipeline(), rounds=1), Phase(pipeline(), weights=Rewind(), rounds=1)]
    when = When(every_n_epochs=2, warmup_epochs=2)
    _, seen = watched(tmp_path, Rounds(phases, when, repeat=2), max_epochs=10)
    assert seen.starts[4] == seen.starts[2] == seen.ends[1]
    assert seen.starts[8] == seen.starts[6] == seen.ends[5] != seen.ends[3]


def test_roll_back_to_the_best_boundary(tmp_path):
    class Worse(TinyModule):
        def on_validation_epoch_end(self):
            self.log("score", {1: 0.5, 3: 0.9, 5: 0.2}.get(self.trainer.current_epoch, 0.0))

    recorder = Recorder()
    callback = rounds(weights=RollBack("score"))
    pl.seed_everything(7, verbose=False)
    trainer = pl.Trainer(
        default_root_dir=tmp_path, callbacks=[callback, recorder], max_epochs=8, accelerator="cpu", logger=False,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(Worse(), TinyRefreshable())
    assert recorder.starts[4] == recorder.ends[3]
    assert recorder.starts[6] == recorder.ends[3]
    assert recorder.starts[6] != recorder.ends[5]


def test_optimiser_and_schedule_keep_or_start_anew(tmp_path):
    _, kept = watched(tmp_path / "keep", rounds())
    _, fresh = watched(tmp_path / "reset", rounds(optimizer="reset", schedule="rewarm"))
    assert kept.moments[2] > 0
    assert fresh.moments[2] == 0
    assert kept.rates[4] < kept.rates[2] < kept.rates[0]
    assert fresh.rates[4] == fresh.rates[2] == fresh.rates[0]
    assert fresh.rates[3] == fresh.rates[1]


def test_phases_alternate_pipelines(tmp_path):
    phases = [Phase(pipeline(threshold=bound), rounds=1, name=name) for bound, name in ((0.34, "all"), (0.9, "few"))]
    watched(tmp_path, Rounds(phases, When(every_n_epochs=2)))
    made = versions(tmp_path)
    assert [version.manifest.phase for version in made] == ["all", "few"]
    assert made[0].manifest.rows > made[1].manifest.rows


def test_rounds_wait_for_a_plateau(tmp_path):
    class Falling(TinyModule):
        def on_validation_epoch_end(self):
            self.log("watched", [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0][self.trainer.current_epoch])

    callback = Rounds([Phase(pipeline())], When(plateau="watched", patience=2))
    fit(str(tmp_path), callback, module=Falling)
    assert [version.manifest.epoch for version in versions(tmp_path)] == [4, 7]


def test_metrics_of_a_round_can_be_monitored(tmp_path):
    best = ModelCheckpoint(tmp_path / "best", monitor="round/coverage", mode="max")
    stop = EarlyStopping("round/rows", mode="max", patience=50)
    watched(tmp_path, rounds(When()), also=[best, stop], enable_checkpointing=True)
    assert best.best_model_score > 0


def test_empty_rounds_keep_the_data_and_say_so(tmp_path):
    phases = [Phase(pipeline(threshold=0.5), rounds=1), Phase(pipeline(threshold=1.1))]
    with warned("Round 1 is empty: none of 200 inputs.*Lower the threshold"):
        _, seen = watched(tmp_path, Rounds(phases, When(every_n_epochs=2, warmup_epochs=2)))
    first, second = versions(tmp_path)
    assert second.manifest.serves == 0
    assert second.table().equals(first.table())
    assert seen.rows[4] == seen.rows[2] > 30


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "64-true"])
def test_other_precisions(tmp_path, precision):
    watched(tmp_path, rounds(When(every_n_epochs=3)), precision=precision)
    assert len(versions(tmp_path)) == 2


def test_the_teacher_labels_with_the_average(tmp_path):
    teacher = EMATeacher(0.9)
    callback = Rounds([Phase(pipeline(EMA(), 0.0))], When(every_n_epochs=2, warmup_epochs=2))
    seen = {}

    class Compare(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 2:
                pool = torch.stack([x for x, _ in trainer.datamodule.pool().dataset])
                average = TinyModule()
                average.load_state_dict(dict(teacher.weights()))
                average.eval()
                pl_module.eval()
                seen.update(average=average(pool).argmax(1).tolist(), live=pl_module(pool).argmax(1).tolist())
                pl_module.train()

    watched(tmp_path, callback, also=[teacher, Compare()], max_epochs=3)
    labels = read(versions(tmp_path)[0].table(), "label").tolist()
    assert labels == seen["average"]
    assert labels != seen["live"]


@pytest.mark.parametrize(("actor", "epoch"), [(Initial(), None), (Previous(), 1)])
def test_earlier_selves_label(tmp_path, actor, epoch):
    states = {}

    class Keep(pl.Callback):
        def on_train_start(self, trainer, pl_module):
            states[None] = {k: v.clone() for k, v in pl_module.state_dict().items()}

        def on_train_epoch_end(self, trainer, pl_module):
            states[trainer.current_epoch] = {k: v.clone() for k, v in pl_module.state_dict().items()}

    phases = [Phase(pipeline(threshold=0.0), rounds=1), Phase(pipeline(actor, 0.0))]
    watched(tmp_path, Rounds(phases, When(every_n_epochs=2, warmup_epochs=2)), also=[Keep()], max_epochs=5)
    old = TinyModule()
    old.load_state_dict(states[epoch])
    old.eval()
    pool = torch.stack([x for x, _ in TinyRefreshable().pool().dataset])
    assert read(versions(tmp_path)[1].table(), "label").tolist() == old(pool).argmax(1).tolist()


def test_a_run_that_ended_is_done_and_a_longer_one_goes_on(tmp_path):
    first = fit(str(tmp_path), rounds(), max_epochs=4)
    again = fit(str(tmp_path), rounds(), max_epochs=4)
    assert again.global_step == first.global_step
    assert again.callback_metrics == first.callback_metrics
    longer = fit(str(tmp_path), rounds(), max_epochs=6)
    whole = fit(str(tmp_path / "whole"), rounds(), max_epochs=6)
    assert longer.global_step == whole.global_step
    assert len(versions(tmp_path)) == len(versions(tmp_path / "whole")) == 2


def test_a_run_from_an_earlier_checkpoint_sets_later_rounds_aside(tmp_path):
    saver = ModelCheckpoint(tmp_path / "saved", filename="{epoch}", save_top_k=-1)
    watched(tmp_path, rounds(), also=[saver], enable_checkpointing=True)
    before = versions(tmp_path)[1].manifest
    other = TinyModule(lr=0.5)
    again = pl.Trainer(
        default_root_dir=tmp_path, callbacks=[rounds()], max_epochs=6, accelerator="cpu", logger=False,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    checkpoint = torch.load(tmp_path / "saved" / "epoch=2.ckpt", weights_only=True)
    for group in checkpoint["optimizer_states"][0]["param_groups"]:
        group["lr"] = 0.5
    torch.save(checkpoint, tmp_path / "changed.ckpt")
    with warned("starts round 1 from other weights; set aside"):
        again.fit(other, TinyRefreshable(), ckpt_path=str(tmp_path / "changed.ckpt"))
    after = versions(tmp_path)[1].manifest
    assert after.key != before.key
    assert after.previous == before.previous
    assert (tmp_path / "rounds" / "superseded").is_dir()
    assert after.weights != before.weights


def test_the_callback_with_defaults(tmp_path):
    fit(str(tmp_path), PseudoLabels(0.6, every_n_epochs=3))
    made = versions(tmp_path)
    assert [version.manifest.epoch for version in made] == [1, 4, 7]
    assert [op.name for op in made[0].manifest.ops] == ["Predict", "Confidence", "Threshold", "HardLabels"]
    assert made[-1].manifest.metrics["label_accuracy"] > 0.8


def test_a_store_at_a_url_is_made_and_resumed(tmp_path):
    def run(url):
        return fit(
            str(tmp_path), Rounds([Phase(pipeline(), weights=RollBack("val_accuracy"))], When(2, 2), dirpath=url)
        )

    whole = run("memory://whole/rounds")
    store = Store("memory://killed/rounds")
    first = Store("memory://whole/rounds")
    run(store.url)
    store.files.remove("last.json")
    store.files.remove("round-00002/manifest.json")
    resumed = run(store.url)
    assert [v.manifest.key for v in store.versions()] == [v.manifest.key for v in first.versions()]
    assert len(store.rounds()) == 3
    assert resumed.callback_metrics == whole.callback_metrics


def test_new_weights_reset_the_gradient_scaler(tmp_path):
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=1)
    scales = {}

    class Scales(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            scales.setdefault(trainer.current_epoch, scaler.get_scale())

    plugin = MixedPrecision("16-mixed", "cpu", scaler)
    watched(tmp_path, rounds(weights=ReinitFromScratch()), also=[Scales()], plugins=[plugin], max_epochs=4)
    assert scales[0] == scales[2] == 1024.0
    assert scales[1] > 1024.0


def test_a_run_from_the_users_last_checkpoint_knows_the_metrics_of_its_last_epoch(tmp_path):
    def run(path, epochs, **options):
        saver = ModelCheckpoint(path / "saved", save_last=True)
        callbacks = [rounds(When(1, 1), weights=RollBack("val_accuracy")), saver]
        pl.seed_everything(7, verbose=False)
        made = pl.Trainer(
            default_root_dir=path, callbacks=callbacks, max_epochs=epochs, accelerator="cpu", logger=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        made.fit(TinyModule(), TinyRefreshable(), **options)
        return [version.manifest.metrics_before for version in versions(path)]

    whole = run(tmp_path / "whole", 3)
    for epochs in (1, 2):
        run(tmp_path / "parts", epochs, ckpt_path="last")
    assert run(tmp_path / "parts", 3, ckpt_path="last") == whole
    assert all("val_accuracy" in metrics for metrics in whole)


def test_callback_and_data_of_an_ended_fit_serve_another_from_the_start(tmp_path):
    callback, data = rounds(When(1, 2)), TinyRefreshable()
    fit(str(tmp_path / "first"), callback, data, max_epochs=4)
    seen = Recorder()
    fit(str(tmp_path / "second"), [callback, seen], data, max_epochs=3)
    assert seen.rows[0] == seen.rows[1] == 30
    assert [version.manifest.epoch for version in versions(tmp_path / "second")] == [2]


def test_nothing_of_a_trial_is_resumed(tmp_path):
    callback = rounds(When(1, 0))
    fit(str(tmp_path), callback, fast_dev_run=True)
    assert not (tmp_path / "rounds").exists()
    assert not os.path.exists(callback.store.url)
    seen = Recorder()
    fit(str(tmp_path), [rounds(), seen], max_epochs=1)
    assert list(seen.rows) == [0]


def test_a_plateau_counts_from_the_last_round_on(tmp_path):
    class Flat(TinyModule):
        def on_validation_epoch_end(self):
            self.log("watched", 1.0)

    fit(str(tmp_path), Rounds([Phase(pipeline())], When(plateau="watched", patience=2)), module=Flat)
    assert [version.manifest.epoch for version in versions(tmp_path)] == [3, 5, 7]


def test_a_run_that_stopped_early_is_done(tmp_path):
    def run(**options):
        stop = EarlyStopping("val_accuracy", mode="max", patience=1)
        return fit(str(tmp_path), [rounds(), stop], max_epochs=30, **options)

    first = run()
    again = run()
    assert first.current_epoch < 30
    assert (again.global_step, again.current_epoch) == (first.global_step, first.current_epoch)
    assert again.callback_metrics == first.callback_metrics
    longer = pl.Trainer(
        default_root_dir=tmp_path, callbacks=[rounds()], max_epochs=first.current_epoch + 1, accelerator="cpu",
        logger=False, enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    with warned("callbacks used to create the checkpoint"):
        longer.fit(TinyModule(), TinyRefreshable(), ckpt_path=str(tmp_path / "rounds" / "last.ckpt"))
    assert longer.global_step > first.global_step


def test_modules_with_any_hyperparameters_roll_back_and_resume(tmp_path):
    class Templated(TinyModule):
        def __init__(self):
            super().__init__()
            self.save_hyperparameters({"net": torch.nn.Linear(1, 1), "optimizer": torch.optim.SGD})

    def run(**options):
        return fit(str(tmp_path), rounds(weights=RollBack("val_accuracy")), module=Templated, **options)

    whole = run()
    store = Store(tmp_path / "rounds")
    store.files.remove("last.json")
    assert run().callback_metrics == whole.callback_metrics


def test_a_store_of_another_seed_is_refused_though_no_round_was_begun(tmp_path):
    def run(seed):
        fit(str(tmp_path), Rounds([Phase(pipeline())], When(warmup_epochs=5), seed=seed), max_epochs=2)

    run(1)
    with pytest.raises(StoreError, match="made by another plan"):
        run(2)


def test_dropout_samples_need_dropout(tmp_path):
    class Plain(TinyModule):
        def __init__(self):
            super().__init__()
            self.net = torch.nn.Linear(2, 3)

    with pytest.raises(SetupError, match=r"MCDropout needs dropout layers, but Plain has none"):
        fit(str(tmp_path), Rounds([Phase(pipeline(MCDropout(2)))]), module=Plain)


def test_a_longer_run_that_dies_while_it_saves_its_end_goes_on(tmp_path, monkeypatch):
    def run(epochs):
        return fit(str(tmp_path), rounds(When(warmup_epochs=1, max_rounds=1)), max_epochs=epochs)

    run(2)
    save = pl.Trainer.save_checkpoint

    def half(self, path, *rest, **options):
        save(self, path, *rest, **options)
        content = (tmp_path / "rounds" / "last.ckpt").read_bytes()
        (tmp_path / "rounds" / "last.ckpt").write_bytes(content[: len(content) // 2])
        raise RuntimeError("died")

    monkeypatch.setattr(pl.Trainer, "save_checkpoint", half)
    with pytest.raises(RuntimeError, match="died"):
        run(4)
    monkeypatch.undo()
    assert run(4).current_epoch == 4
