from types import SimpleNamespace

import pytest
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint, Timer

from lit_iterative.callbacks import EMATeacher, PseudoLabels
from lit_iterative.control import Budget, match_epochs, trainer_options
from lit_iterative.datamodules import Mixing
from tests.projects.tiny import TinyData, TinyRefreshable, fit


@pytest.mark.parametrize(
    ("batches", "epochs", "per_batch", "rows"),
    [(28, 8, 16, 64), (24, 8, 16, 48), (0, 0, 16, 16), (5, 0, 2, 10), (28, 8, None, None)],
)
def test_an_average_epoch_is_whole_batches(batches, epochs, per_batch, rows):
    assert Budget(1, batches, epochs, per_batch).rows_per_epoch == rows


def test_the_spent_budget_counts_batches_and_steps(tmp_path):
    from lit_iterative.control import budget_of

    trainer = fit(str(tmp_path), PseudoLabels(0.8, warmup_epochs=9), max_epochs=3, accumulate_grad_batches=2)
    assert budget_of(trainer) == Budget(steps=3, batches=6, epochs=3, rows_per_batch=16)


def test_what_makes_rounds_ends_the_fit_or_writes_is_left_out():
    kept = LearningRateMonitor()
    left = [PseudoLabels(), EMATeacher(), ModelCheckpoint(), EarlyStopping("val_loss"), Timer("00:01:00:00")]
    run = SimpleNamespace(loggers=[], default_root_dir=".")
    options = trainer_options([*left, kept], run, Budget(28, 28, 8, 16))
    assert options["callbacks"] == [kept]
    assert (options["max_steps"], options["max_epochs"], options["logger"]) == (28, -1, False)


def test_epochs_are_matched_unless_they_have_a_length():
    data = TinyRefreshable()
    match_epochs(data, Budget(28, 28, 8, 16))
    assert data.mixing.rows_per_epoch == 64
    assert TinyRefreshable.mixing.rows_per_epoch is None
    data.mixing = Mixing(rows_per_epoch=5)
    match_epochs(data, Budget(28, 28, 8, 16))
    assert data.mixing.rows_per_epoch == 5
    match_epochs(TinyData(), Budget(28, 28, 8, 16))
    match_epochs(None, Budget(28, 28, 8, 16))
