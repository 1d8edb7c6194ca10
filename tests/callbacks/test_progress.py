import io

import lightning.pytorch as pl
import pytest
from lightning.pytorch.callbacks import RichProgressBar, TQDMProgressBar
from rich.console import Console
from rich.progress import Progress as RichProgress

from lit_iterative.callbacks import PseudoLabels, bars
from lit_iterative.callbacks.bars import Lines, RichBar
from lit_iterative.callbacks.lines import LogLines
from lit_iterative.callbacks.progress import Progress
from tests.projects.tiny import TinyModule, TinyRefreshable
from tests.projects.tiny import trainer as tiny_trainer


def trainer(bar):
    shown = [] if bar is None else [bar]
    return pl.Trainer(callbacks=shown, enable_progress_bar=bar is not None, logger=False, accelerator="cpu")


def test_a_bar_beside_tqdm(capsys):
    with Progress(trainer(TQDMProgressBar()), 3) as progress:
        progress.stage("Predict > Confidence")
        progress.rows(50, 200)
        progress.rows(200, 200)
        progress.stage("commit")
    shown = capsys.readouterr().err
    assert "Round 3: Predict > Confidence" in shown
    assert "Round 3: commit" in shown


def test_nothing_where_nothing_is_wanted(capsys, caplog):
    with Progress(trainer(None), 0) as progress:
        progress.stage("Predict")
        progress.rows(1, 2)
    assert "Round 0" not in capsys.readouterr().err + caplog.text


def test_only_the_first_rank_speaks(capsys, monkeypatch):
    made = trainer(TQDMProgressBar())
    monkeypatch.setattr(pl.Trainer, "is_global_zero", False)
    with Progress(made, 0) as progress:
        progress.stage("Predict")
        progress.rows(1, 2)
    assert "Round 0" not in capsys.readouterr().err


def test_the_bar_goes_when_a_round_fails(capsys):
    progress = Progress(trainer(TQDMProgressBar()), 0)

    def fail():
        with progress:
            progress.stage("Predict")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert progress._bar is None


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(bars, "time", made)
    return made


def test_lines_come_once_a_minute_with_the_rate_and_the_time_left(clock):
    said = []
    lines = Lines(said.append, "Round 1: Sample")
    for clock.now, done in ((10.0, 100), (59.0, 590), (60.0, 600), (61.0, 610), (121.0, 1210)):
        lines.rows(done, 2000)
    assert said == [
        "Round 1: Sample, 600 of 2,000 rows, 10 rows/s, 2 min 20 s left",
        "Round 1: Sample, 1,210 of 2,000 rows, 10 rows/s, 1 min 19 s left",
    ]


def test_rich_shows_round_stage_and_rate_in_the_trainers_display(tmp_path, monkeypatch):
    seen = []
    real = RichBar.rows

    def spy(self, done, total):
        real(self, done, total)
        (task,) = [task for task in self._display.tasks if task.id == self._task]
        seen.append((task.description, task.completed, task.total))

    monkeypatch.setattr(RichBar, "rows", spy)
    bar = RichProgressBar(console_kwargs={"file": io.StringIO(), "force_terminal": True, "width": 120})
    rounds = PseudoLabels(0.5, every_n_epochs=1, warmup_epochs=1)
    made = tiny_trainer(str(tmp_path), [rounds, bar], enable_progress_bar=True, max_epochs=3)
    made.fit(TinyModule(), TinyRefreshable())
    assert {description.split(",")[0] for description, _, _ in seen} == {
        "Round 0: Predict > Confidence > Threshold > HardLabels",
        "Round 1: Predict > Confidence > Threshold > HardLabels",
    }
    assert all("rows/s" in description for description, _, _ in seen)
    assert seen[-1][1:] == (200, 200)
    assert isinstance(bar._console, Console)


def test_the_trainers_own_lines_stay_in_their_places():
    display = RichProgress()
    bar = RichBar(display, "Round 0: Predict")
    later = display.add_task("Validation")
    bar.close()
    assert [task.description for task in display.tasks if task.visible] == ["Validation"]
    assert display.tasks[later].description == "Validation"  # which is how Lightning finds it


def test_short_rounds_print_no_line_of_their_own_in_a_log(tmp_path, capsys):
    rounds = PseudoLabels(0.5, every_n_epochs=1, warmup_epochs=1)
    made = tiny_trainer(str(tmp_path), [rounds, LogLines()], enable_progress_bar=True, max_epochs=3)
    made.fit(TinyModule(), TinyRefreshable())
    told = capsys.readouterr()
    assert "Round 0: Predict" not in told.out + told.err
