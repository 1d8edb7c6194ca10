"""What a fit leaves in the loggers, read back from their files."""

import csv
import io
import re
import warnings
from typing import ClassVar

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lit_iterative.callbacks import PseudoLabels, painting, telemetry
from lit_iterative.callbacks.painting import Painter
from lit_iterative.columns import read
from lit_iterative.datamodules import Refreshable
from lit_iterative.rounds.store import Store

EVERY = {"rows_after_ops", "class_distribution", "class_flow", "confusion", "reliability"}
EPOCHS, WARMUP, ROUNDS = 5, 2, 3


def points(rows, seed):
    draw = torch.Generator().manual_seed(seed)
    label = torch.arange(rows) % 3
    centre = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])[label]
    return centre + torch.randn(rows, 2, generator=draw), label


class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val_accuracy", (self(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.02)


class Data(pl.LightningDataModule):
    def train_dataloader(self):
        return DataLoader(TensorDataset(*points(60, 0)), 16, shuffle=True)

    def predict_dataloader(self):
        return DataLoader(TensorDataset(points(120, 1)[0]), 50)


class Told(Refreshable, Data):
    """With hidden labels, some of them unknown."""

    def pool_truth(self):
        return np.where(np.arange(120) % 10, points(120, 1)[1].numpy(), -1)


class Untold(Refreshable, Data):
    """Without hidden labels."""


def fit(folder, loggers, data=None, threshold=0.6, callbacks=(), rounds=None, **options):
    """Fit for five epochs, with a round before each of the last three, and return the trainer."""
    pl.seed_everything(3)
    rounds = PseudoLabels(threshold, warmup_epochs=WARMUP, max_rounds=rounds, dirpath=str(folder / "rounds"))
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        logger=loggers,
        callbacks=[rounds, *callbacks],
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{"max_epochs": EPOCHS, "enable_checkpointing": False, **options},
    )
    trainer.fit(Module(), data or Told())
    return trainer


def events(folder):
    found = EventAccumulator(str(folder / "tb"), size_guidance={"histograms": 0, "images": 0, "scalars": 0})
    return found.Reload()


def board(folder):
    return TensorBoardLogger(folder, name="tb", version="")


@pytest.fixture(scope="module", autouse=True)
def _patient():
    """These fits take less time than a figure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Painter, "least", 60.0)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A fit with TensorBoard and CSV, and hidden labels: its folder and trainer."""
    folder = tmp_path_factory.mktemp("telemetry")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fixture that keeps peers quiet comes later than this one
        trainer = fit(folder, [board(folder), CSVLogger(folder, name="csv", version="")])
    return folder, trainer


def versions(folder):
    found = list(Store(folder / "rounds").versions())
    assert len(found) == ROUNDS
    return found


@pytest.mark.parametrize("name", ["coverage", "label_accuracy", "confidence", "calibration_error", "flip_rate"])
def test_scalars_stand_on_the_round_axis_with_the_values_of_the_manifest(run, name):
    folder, _ = run
    logged = {event.step: event.value for event in events(folder).Scalars(f"by_round/{name}")}
    known = {v.round: v.manifest.metrics[name] for v in versions(folder) if name in v.manifest.metrics}
    assert logged == pytest.approx(known)
    assert len(known) == (ROUNDS - 1 if name == "flip_rate" else ROUNDS)


def test_scalars_stand_on_the_global_step_too(run):
    folder, _ = run
    logged = events(folder).Scalars("round/coverage")
    assert [event.value for event in logged] == pytest.approx(
        [v.manifest.metrics["coverage"] for v in versions(folder)]
    )
    ends = [v.manifest.global_step for v in versions(folder)][1:]  # a round's epoch ends where the next one is made
    assert [event.step for event in logged[:-1]] == [step - 1 for step in ends]


def test_the_step_axis_is_not_replaced(run):
    folder, _ = run
    assert "step" not in events(folder).Tags()["scalars"]


def test_scalars_can_be_monitored(run):
    folder, trainer = run
    last = versions(folder)[-1].manifest
    assert float(trainer.callback_metrics["round/coverage"]) == pytest.approx(last.metrics["coverage"])
    assert "round/seconds" not in trainer.callback_metrics


def test_the_histogram_counts_the_confidence_of_every_row(run):
    folder, _ = run
    logged = events(folder).Histograms("by_round/confidence_histogram")
    assert [event.step for event in logged] == list(range(ROUNDS))
    for event, version in zip(logged, versions(folder), strict=True):
        confidence = read(version.table(), "scores.confidence")
        got = event.histogram_value
        assert got.num == len(confidence)
        assert got.sum == pytest.approx(confidence.sum(dtype=float), rel=1e-6)
        below = sum(n for limit, n in zip(got.bucket_limit, got.bucket, strict=True) if limit <= 0.8 + 1e-9)
        assert below == pytest.approx((confidence < 0.8).sum())
        assert sum(got.bucket) == len(confidence)


def test_every_figure_is_there_in_every_round_that_can_have_it(run):
    folder, _ = run
    found = events(folder)
    assert set(found.Tags()["images"]) == {f"by_round/{name}" for name in EVERY}
    for name in EVERY:
        steps = [event.step for event in found.Images(f"by_round/{name}")]
        assert steps == list(range(1 if name == "class_flow" else 0, ROUNDS)), name
        image = Image.open(io.BytesIO(found.Images(f"by_round/{name}")[-1].encoded_image_string))
        assert image.size == (702, 576)


def test_no_tag_is_of_two_kinds(run):
    folder, _ = run
    tags = events(folder).Tags()
    together = [*tags["scalars"], *tags["images"], *tags["histograms"]]
    assert len(together) == len(set(together))


def test_csv_gets_the_scalars_alone(run):
    folder, _ = run
    with open(folder / "csv" / "metrics.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["by_round/coverage"]]
    assert [int(row["step"]) for row in rows] == list(range(ROUNDS))
    known = [v.manifest.metrics["coverage"] for v in versions(folder)]
    assert [float(row["by_round/coverage"]) for row in rows] == pytest.approx(known)
    assert not any(name.endswith(("histogram", *EVERY)) for name in rows[0])


@pytest.fixture
def drawn(monkeypatch):
    """The arguments of every figure that is drawn."""
    calls = {}

    def spy(painter, drawing):
        calls[drawing.kind, drawing.round] = drawing.arguments

    monkeypatch.setattr(Painter, "draw", spy)
    monkeypatch.setattr(Painter, "start", lambda *given: True)
    return calls


def test_figures_are_given_the_numbers_of_the_round(tmp_path, drawn):
    fit(tmp_path, [board(tmp_path)])
    found = versions(tmp_path)
    truth = Told().pool_truth()
    tables = [dict(zip(*(read(v.table(), c).tolist() for c in ("id", "label")), strict=True)) for v in found]
    for round, labels in enumerate(tables):
        before = tables[round - 1] if round else None
        rows, old_rows, pool = drawn["class_distribution", round]
        assert rows.tolist() == [list(labels.values()).count(c) for c in range(3)]
        assert pool.tolist() == [(truth == c).sum() for c in range(3)]
        (counts,) = drawn["confusion_matrix", round]
        pairs = [(truth[key], label) for key, label in labels.items() if truth[key] >= 0]
        assert counts.tolist() == [[pairs.count((t, c)) for c in range(3)] for t in range(3)]
        (bins,) = drawn["reliability_diagram", round]
        assert bins.rows.sum() == len(pairs)
        assert bins.total_accuracy == pytest.approx(found[round].manifest.metrics["label_accuracy"])
        least = read(found[round].table(), "scores.confidence").min()
        assert least - 0.05 <= bins.edges[0] <= least
        names, left = drawn["funnel", round]
        assert (names[0], left[0]) == ("pool", 120)
        assert left[names.index("Threshold")] == len(labels)
        if before is None:
            assert old_rows is None
            continue
        assert old_rows.tolist() == [list(before.values()).count(c) for c in range(3)]
        (flow,) = drawn["class_flow", round]
        moves = [(before.get(key, 3), labels.get(key, 3)) for key in labels.keys() | before.keys()]
        assert flow.tolist() == [[moves.count((b, n)) for n in range(4)] for b in range(4)]


def test_without_hidden_labels_there_is_nothing_to_compare_with(tmp_path):
    fit(tmp_path, [board(tmp_path)], Untold())
    found = {tag.removeprefix("by_round/") for tag in events(tmp_path).Tags()["images"]}
    assert found == EVERY - {"confusion", "reliability"}


def test_without_matplotlib_scalars_and_histograms_stay_and_one_line_names_the_extra(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("lit_iterative.callbacks.painting.find_spec", lambda name: None)
    with caplog.at_level("INFO"):
        fit(tmp_path, [board(tmp_path)])
    found = events(tmp_path)
    assert found.Tags()["images"] == []
    assert [event.step for event in found.Histograms("by_round/confidence_histogram")] == list(range(ROUNDS))
    assert len(found.Scalars("by_round/coverage")) == ROUNDS
    lines = [line for line in caplog.messages if "lit-iterative[plots]" in line]
    assert len(lines) == 1


def test_a_page_of_charts_is_laid_out_once(run):
    folder, _ = run
    (event,) = events(folder).Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    charts = {chart.title: list(chart.multiline.tag) for category in layout.category for chart in category.chart}
    assert charts["rows"] == ["by_round/rows"]
    assert charts["share of labels that changed"] == ["by_round/flip_rate"]
    known = set(events(folder).Tags()["scalars"])
    assert {tag for tags in charts.values() for tag in tags} <= known


def test_hyperparameters_stand_beside_the_outcome(run):
    folder, trainer = run
    found = events(folder)
    data = plugin_data_pb2.HParamsPluginData.FromString(
        found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    )
    assert data.session_start_info.hparams["rounds/Threshold/value"].number_value == pytest.approx(0.6)
    table = plugin_data_pb2.HParamsPluginData.FromString(
        found.SummaryMetadata("_hparams_/experiment").plugin_data.content
    )
    names = {info.name.tag for info in table.experiment.metric_infos}
    assert "outcome/best" in names
    (logged,) = found.Scalars("outcome/rounds")
    assert (logged.step, logged.value) == (trainer.global_step, ROUNDS)


class Recorder(Logger):
    """A logger as strict as those of services are: plain values, and pictures."""

    def __init__(self):
        super().__init__()
        self.metrics, self.hyperparameters, self.pictures = [], {}, []

    name, version = "recorder", 0

    def log_hyperparams(self, params, *args, **kwargs):
        values = dict(params)
        assert all(isinstance(value, bool | int | float | str) and len(str(value)) <= 250 for value in values.values())
        self.hyperparameters.update(values)

    def log_metrics(self, metrics, step=None):
        assert all(
            isinstance(value, int | float) and re.fullmatch(r"[\w/. -]+", name) for name, value in metrics.items()
        )
        self.metrics.append((metrics, step))

    def log_image(self, key, images, step=None):
        self.pictures.append((key, step, images[0].size))


def test_any_logger_of_lightning_gets_scalars_outcome_hyperparameters_and_pictures(tmp_path):
    logger = Recorder()
    fit(tmp_path, logger, Validated())
    steps = [step for metrics, step in logger.metrics if "by_round/coverage" in metrics]
    assert steps == list(range(ROUNDS))
    outcome = next(metrics for metrics, _ in logger.metrics if "outcome/best" in metrics)
    after = [v.manifest.metrics_before["val_accuracy"] for v in versions(tmp_path)][1:]
    assert outcome["outcome/best"] >= max(after)
    assert logger.hyperparameters["rounds/Threshold/value"] == 0.6
    assert {(f"by_round/{name}", ROUNDS - 1, (702, 576)) for name in EVERY} <= set(logger.pictures)


def test_the_painter_that_dies_is_told_of_and_training_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "matplotlib").mkdir()
    (tmp_path / "matplotlib/__init__.py").write_text("raise SystemExit(3)")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit(tmp_path, [board(tmp_path)])
    assert len([one for one in said if "Figures of the rounds are missing" in str(one.message)]) == 1
    assert len(events(tmp_path).Scalars("by_round/coverage")) == ROUNDS


def test_a_short_fit_does_not_wait_for_its_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(Painter, "least", 0.0)
    before = len(painting.LEFT)
    fit(tmp_path, [board(tmp_path)])
    (left,) = painting.LEFT[before:]
    assert left.wait(60) == 0
    assert {f"by_round/{name}" for name in EVERY} == set(events(tmp_path).Tags()["images"])


def test_an_error_in_training_leaves_no_process(tmp_path, monkeypatch):
    started = []
    real = Painter.start
    monkeypatch.setattr(Painter, "start", lambda self, *given: (real(self, *given), started.append(self._process))[0])

    class Stop(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if started:
                raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fit(tmp_path, [board(tmp_path)], callbacks=[Stop()])
    assert started[0].poll() is not None or started[0].wait(10) is not None


@pytest.mark.filterwarnings("ignore:Round . is empty")
def test_an_empty_round_logs_its_scalars_and_where_its_rows_went(tmp_path):
    fit(tmp_path, [board(tmp_path)], threshold=1.1)
    found = events(tmp_path)
    assert [event.value for event in found.Scalars("by_round/coverage")] == [0.0] * ROUNDS
    assert found.Tags()["images"] == ["by_round/rows_after_ops"]
    assert found.Tags()["histograms"] == []


def test_no_logger_is_fine_and_rounds_can_still_be_monitored(tmp_path):
    assert "round/coverage" in fit(tmp_path, False).callback_metrics


def test_no_logger_reads_no_data(tmp_path, monkeypatch):
    monkeypatch.setattr(telemetry.Snapshot, "of", None)
    fit(tmp_path, CSVLogger(tmp_path))


class Validated(Told):
    """With a validation loop, in which Lightning asks checkpoints and early stopping."""

    def val_dataloader(self):
        return DataLoader(TensorDataset(*points(30, 2)), 30)


class Seen(pl.Callback):
    """Notes the coverage that can be monitored in the validation of every epoch."""

    def __init__(self):
        self.coverage = []

    def on_validation_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            self.coverage.append(float(trainer.callback_metrics["round/coverage"]))


def coverage(folder):
    return [version.manifest.metrics["coverage"] for version in versions(folder)]


def test_a_round_is_seen_in_the_validation_of_its_first_epoch_and_none_in_the_warm_up(tmp_path):
    seen = Seen()
    fit(tmp_path, False, Validated(), callbacks=[seen])
    assert seen.coverage == pytest.approx([0.0] * WARMUP + coverage(tmp_path))


def test_checkpoints_and_early_stopping_can_monitor_a_round(tmp_path):
    best = ModelCheckpoint(tmp_path / "best", monitor="round/coverage", mode="max")
    stop = EarlyStopping("round/rows", mode="max", patience=EPOCHS)
    fit(tmp_path, False, Validated(), callbacks=[best, stop], enable_checkpointing=True)
    assert float(best.best_model_score) == pytest.approx(max(coverage(tmp_path)), abs=1e-6)
    assert float(stop.best_score) == max(version.manifest.rows for version in versions(tmp_path))


def test_a_resumed_fit_shows_the_round_that_it_goes_on_with(tmp_path):
    fit(tmp_path, False, Validated(), rounds=1, max_epochs=4)
    seen = Seen()
    fit(tmp_path, False, Validated(), rounds=1, callbacks=[seen], max_epochs=5)
    assert seen.coverage == pytest.approx([Store(tmp_path / "rounds").open(0).manifest.metrics["coverage"]])


def test_other_ranks_monitor_but_write_nothing(tmp_path, monkeypatch):
    fit(tmp_path, False)
    version = versions(tmp_path)[0]

    class Rank1:
        is_global_zero = False
        callback_metrics: ClassVar = {}
        loggers = property(lambda self: pytest.fail("rank 1 must not log"))

    class Listener:
        def log_dict(self, values, **options):
            self.values, self.options = values, options

    module = Listener()
    telemetry.Telemetry().round(Rank1(), module, version, None, Told().pool())
    assert module.values["round/rows"] == version.manifest.rows
    assert module.options["sync_dist"]
    assert Rank1.callback_metrics["round/rows"] == version.manifest.rows
