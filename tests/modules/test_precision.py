"""The cells of the matrix in docs/precision.md that run on one CPU device, those that are refused, and the page."""

import pytest
import torch

from lit_iterative.errors import SetupError
from lit_iterative.rounds.store import Store
from tests.projects.precisions import PAGE, Cell, cells, made, page, run, trained_of

FAST = [pytest.param(cell, id=str(cell)) for cell in cells("cpu", "CI")]
SLOW = [pytest.param(cell, id=str(cell), marks=pytest.mark.slow) for cell in cells("cpu", "slow")]


@pytest.mark.parametrize("cell", FAST + SLOW)
def test_two_rounds(cell, tmp_path, saved):
    fitted, module = run(cell, tmp_path, saved)
    first, second = Store(tmp_path / "rounds").versions()
    assert min(first.manifest.rows, second.manifest.rows) > 0
    assert first.manifest.weights != second.manifest.weights  # which is what the second was sampled from
    assert ("chosen_ref_logp" in first.columns) is (cell.reference != "none")
    assert torch.isfinite(fitted.callback_metrics["train_loss"])
    check_reloads(cell, module, saved, tmp_path / "rounds" / "last.ckpt")


def check_reloads(cell, module, saved, path):
    """What a checkpoint says of the trained weights arrives in another policy, whose own were others."""
    again = made(saved, cell.base, cell.precision, seed=1).to(module.dtype)
    before, trained = trained_of(again), trained_of(module)
    again.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
    after = trained_of(again)
    assert before.keys() == trained.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in after)
    assert all(torch.equal(trained[name], after[name]) for name in after)


@pytest.mark.parametrize("cell", [pytest.param(cell, id=str(cell)) for cell in cells("cpu", "¹", "²")])
def test_refused(cell, tmp_path, saved):
    reasons = {"¹": r"weights to train are float16.*16-mixed.*bf16-true", "²": r"Base\(\) needs a policy with an ad"}
    with pytest.raises(SetupError, match=reasons[cell.sign]):
        run(cell, tmp_path, saved)


def test_every_cell_has_a_sign_and_the_page_shows_it():
    assert PAGE.read_text() == page(), "Run python -m tests.projects.precisions"
    assert Cell("bf16-mixed", "NF4, LoRA", "Policy()").sign == "CI"
