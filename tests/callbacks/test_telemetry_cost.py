"""Telemetry takes less than 2 % of the time of a fit whose rounds take some seconds."""

import time

import lightning.pytorch as pl
import pytest

from lit_iterative.callbacks import painting
from lit_iterative.callbacks.telemetry import Telemetry
from tests.callbacks.test_telemetry import EPOCHS, EVERY, board, events, fit


class Slow(pl.Callback):
    """Makes every epoch last four seconds, in which nothing is computed."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        time.sleep(4)


@pytest.mark.slow
def test_share_of_wall_time(tmp_path, monkeypatch):
    inside = []

    def timed(method):
        def call(*args, **options):
            start = time.perf_counter()
            method(*args, **options)
            inside.append(time.perf_counter() - start)

        return call

    for name in ("begin", "round", "end"):
        monkeypatch.setattr(Telemetry, name, timed(getattr(Telemetry, name)))
    start = time.perf_counter()
    fit(tmp_path, [board(tmp_path)], callbacks=[Slow()])
    seconds = time.perf_counter() - start
    assert len(inside) == EPOCHS  # begin, three rounds, end
    assert sum(inside) < 0.02 * seconds
    for left in painting.LEFT:
        left.wait(60)
    assert {f"by_round/{name}" for name in EVERY} == set(events(tmp_path).Tags()["images"])
