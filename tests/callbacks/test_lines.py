import re

import lightning.pytorch as pl

from lit_iterative.callbacks import PseudoLabels
from lit_iterative.callbacks.lines import LogLines, RoundLines, rounds_of
from tests.projects.tiny import TinyModule, TinyRefreshable, trainer


def run(folder, *callbacks, **options):
    pl.seed_everything(7, verbose=False)
    made = trainer(str(folder), list(callbacks), enable_progress_bar=True, **options)
    made.fit(TinyModule(), TinyRefreshable())
    return made


def test_a_round_is_told_once_before_the_epochs_that_train_on_it(tmp_path, capsys):
    rounds = PseudoLabels(0.5, every_n_epochs=2, warmup_epochs=1)
    made = run(tmp_path, rounds, RoundLines(), LogLines(), max_epochs=5)
    told = [
        line.split(",")[0].split(":")[0]
        for line in capsys.readouterr().out.splitlines()
        if line[:5] in ("Epoch", "Round")
    ]
    assert told == [
        "Epoch 1 of 5",
        "Round 0",
        "Epoch 2 of 5",
        "Epoch 3 of 5",
        "Round 1",
        "Epoch 4 of 5",
        "Epoch 5 of 5",
    ]
    assert rounds_of(made) is rounds


def test_without_rounds_nothing_is_told_of_them(tmp_path, capsys):
    made = run(tmp_path, RoundLines(), LogLines(), max_epochs=1)
    assert "Round" not in capsys.readouterr().out
    assert rounds_of(made) is None


def test_an_epoch_ends_with_its_metrics(tmp_path, capsys):
    made = run(tmp_path, LogLines(), max_epochs=1)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Epoch")]
    found = dict(re.findall(r"(\w+) ([\d.]+)", line.split(", ", 2)[2]))
    assert found == {name: f"{float(value):.4g}" for name, value in made.callback_metrics.items()}
    assert "train_loss" in found


def test_long_epochs_are_told_of_within(tmp_path, capsys):
    run(tmp_path, LogLines(seconds=0.0), max_epochs=1)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Epoch")]
    assert lines[0].startswith("Epoch 1 of 1, batch 1 of 2")
    assert len(lines) == 3


def test_a_disabled_one_is_silent(capsys):
    lines = LogLines()
    lines.disable()
    lines.print("x")
    assert not lines.is_enabled
    lines.enable()
    lines.print("y")
    assert capsys.readouterr().out == "y\n"
