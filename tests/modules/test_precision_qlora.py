"""QLoRA on a CPU, the whole way: every round is sampled from the adapter, and optimisers with a small state resume."""

import warnings
from functools import partial

import pytest
import torch

from lit_iterative.modules.language import LanguagePolicy
from lit_iterative.rounds.store import Store
from tests.projects.precisions import fit, made, rounds, trained_of

NF4 = "NF4, LoRA"


class Recorded(LanguagePolicy):
    """Remembers what it was asked to sample, and what came of it."""

    calls: list

    def generate(self, *arguments):
        answer = super().generate(*arguments)
        self.calls.append((arguments, [completion.ids for completion in answer]))
        return answer


def recorded(path, **options):
    module = made(path, NF4, **options)
    module.__class__, module.calls = Recorded, []
    return module


def said(module, arguments):
    with torch.no_grad():
        return [completion.ids for completion in LanguagePolicy.generate(module.eval(), *arguments)]


def test_every_round_is_sampled_from_the_adapter_as_it_is_trained(tmp_path, saved):
    module = recorded(saved)
    fit(tmp_path, module, rounds())
    assert len(module.calls) == 2
    for round, (arguments, sampled) in enumerate(module.calls):
        boundary = tmp_path / "rounds" / f"round-{round:05d}" / "boundary.ckpt"
        again = made(saved, NF4, seed=5)
        again.load_state_dict(torch.load(boundary, weights_only=True)["state_dict"])
        assert said(again, arguments) == sampled
        with again.without_adapter():
            assert said(again, arguments) != sampled


# ---- optimisers -------------------------------------------------------------------------------------------

OPTIMIZERS = ["AdamW8bit", "PagedAdamW8bit", "PagedAdamW32bit", "Lion8bit"]


def optimizer(name):
    """Return an optimiser of bitsandbytes that keeps even small tensors in eight bits."""
    kinds = pytest.importorskip("bitsandbytes").optim
    small = {"min_8bit_size": 1} if "8bit" in name else {}
    return partial(getattr(kinds, name), lr=1e-3, **small)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_small_optimisers_resume(name, tmp_path, saved):
    def train(folder, **options):
        module = made(saved, NF4, optimizer=optimizer(name))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Paged optimizers are not supported on CPU")
            run = fit(folder, module, rounds(), **options)
        return run, trained_of(module)

    run, whole = train(tmp_path / "whole")
    train(tmp_path / "parts", max_epochs=2)
    _, parts = train(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    state = next(iter(run.optimizers[0].state.values()))
    assert state["state1"].dtype == (torch.uint8 if "8bit" in name else torch.float32)


def test_an_optimiser_of_eight_bits_starts_anew(tmp_path, saved):
    module = made(saved, NF4, optimizer=optimizer("AdamW8bit"))
    run = fit(tmp_path, module, rounds(optimizer="reset"))
    assert len(list(Store(tmp_path / "rounds").versions())) == 2
    assert {state["step"] for state in run.optimizers[0].state.values()} == {2}  # those of the last round
