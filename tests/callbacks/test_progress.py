import lightning.pytorch as pl
import pytest
from lightning.pytorch.callbacks import TQDMProgressBar

from lit_iterative.callbacks.progress import Progress


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


def test_the_bar_goes_when_a_round_fails(capsys):
    progress = Progress(trainer(TQDMProgressBar()), 0)

    def fail():
        with progress:
            progress.stage("Predict")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert progress._bar is None
