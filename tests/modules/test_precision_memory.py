"""Memory that runs out in a fit: the error names what to lower, and the same command goes on with what was made."""

from functools import partial

import pytest
import torch
from lightning.pytorch.utilities.memory import is_oom_error

from lit_iterative.errors import OutOfMemory, misfit, out_of_memory
from lit_iterative.modules.backbone import LoRA
from lit_iterative.modules.language import LanguagePolicy
from lit_iterative.modules.memory import Load, Saving, advised, scoring_advice, training_advice, update_advice
from lit_iterative.rounds.store import Store
from tests.projects.precisions import fit, made, rounds

CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
CPU = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")


class Watched(LanguagePolicy):
    """Runs out of memory in the forward passes of what it is told."""

    doing, sampled, short = "training", 0, staticmethod(lambda module: False)
    error: BaseException = CUDA

    def generate(self, *arguments, **options):
        self.sampled += 1
        return self.during("sampling", super().generate, *arguments, **options)

    def log_probs(self, *arguments, **options):
        return self.during("scoring", super().log_probs, *arguments, **options)

    def check_reference(self, *arguments):
        return self.during("checking", super().check_reference, *arguments)

    def during(self, doing, work, *arguments, **options):
        self.doing = doing
        result = work(*arguments, **options)
        self.doing = "training"
        return result


def watched(path, short, error=CUDA, **options):
    """Return a policy whose passes fail where ``short(policy)`` is true."""
    module = made(path, **options)
    module.__class__, module.short, module.error = Watched, short, error

    def check(*_):
        if module.short(module):
            raise module.error

    module.network.get_input_embeddings().register_forward_pre_hook(check)
    return module


def training_of_pairs(module):
    """Tell whether more than two pairs are trained on; the warm-up has none."""
    return module.doing == "training" and module._load.rows > 2 and module.trainer.current_epoch > 0


def rows_of(path):
    return [[shard.sha256 for shard in version.manifest.shards] for version in Store(path / "rounds").versions()]


@pytest.mark.parametrize("error", [CUDA, CPU, MemoryError()], ids=["cuda", "cpu", "python"])
def test_training_names_the_batch_and_goes_on_with_a_smaller_one(tmp_path, saved, error):
    with pytest.raises(OutOfMemory) as caught:
        fit(tmp_path, watched(saved, training_of_pairs, error), rounds())
    told = str(caught.value)
    assert told.startswith("Out of memory in training. Lower batch_size of the DataModule, here 4, and raise")
    settings = ("accumulate_grad_batches", "max_tokens", "gradient_checkpointing=True", "max_prompt_tokens", "4bit")
    assert all(setting in told for setting in settings)
    assert f"the same command goes on from there. (It was {type(error).__name__}: {error})" in told
    assert caught.value.__cause__ is error
    assert is_oom_error(caught.value) is is_oom_error(error)
    kept = rows_of(tmp_path)
    assert len(kept) == 1

    again = watched(saved, training_of_pairs, seed=3)
    fit(tmp_path, again, rounds(), batch_size=2, accumulate_grad_batches=2)
    assert len(rows_of(tmp_path)) == 2
    assert rows_of(tmp_path)[0] == kept[0]


def test_a_backward_pass_that_runs_out(tmp_path, saved):
    module = made(saved, gradient_checkpointing=True)

    def fail(gradient):
        raise CUDA

    next(weight for weight in module.parameters() if weight.requires_grad).register_hook(fail)
    with pytest.raises(OutOfMemory, match=r"in training. Lower batch_size of the DataModule, here 4") as caught:
        fit(tmp_path, module, rounds())
    assert "gradient_checkpointing" not in str(caught.value)  # which is on


def test_an_update_that_runs_out(tmp_path, saved):
    class Large(torch.optim.SGD):
        def step(self, closure=None):
            closure()
            raise CUDA

    module = made(saved, optimizer=partial(Large, lr=1e-3))
    with pytest.raises(OutOfMemory, match=r"in the optimiser's update. Take an optimiser with a smaller.*AdamW8bit"):
        fit(tmp_path, module, rounds())


def test_the_check_of_the_reference_that_runs_out(tmp_path, saved):
    module = watched(saved, lambda module: module.doing == "checking")
    with pytest.raises(OutOfMemory, match="in training. Lower batch_size of the DataModule, here 4"):
        fit(tmp_path, module, rounds())


def test_scoring_names_the_batch_and_goes_on_with_a_smaller_one(tmp_path, saved):
    def short(module):
        return module.doing == "scoring" and module.batch_size > 4

    module = watched(saved, short)
    with pytest.raises(OutOfMemory) as caught:
        fit(tmp_path, module, rounds())
    assert str(caught.value).startswith("Out of memory in scoring. Lower LanguagePolicy(batch_size), here ")
    assert module.sampled == 1
    assert not rows_of(tmp_path)

    again = watched(saved, short, batch_size=4, seed=3)
    fit(tmp_path, again, rounds())
    assert len(rows_of(tmp_path)) == 2
    assert again.sampled == 1  # for the second round: what the first had sampled was kept
    fit(tmp_path / "whole", made(saved), rounds())
    found, expected = (next(iter(Store(path / "rounds").versions())).table() for path in (tmp_path, tmp_path / "whole"))
    for name in ("prompt_ids", "chosen_ids", "rejected_ids"):
        assert found[name].to_pylist() == expected[name].to_pylist()


def test_sampling_that_runs_out_with_one_row(saved):
    module = watched(saved, lambda module: True)
    with pytest.raises(OutOfMemory, match=r"in sampling.*Sampling\(max_new_tokens\)"):
        module.generate([[1, 5]], [0], rounds().plan.phases[0].ops[1].sampling)


# ---- what is told -----------------------------------------------------------------------------------------


def test_only_what_can_be_lowered_is_named():
    every = Saving(checkpointing=True, adapter=True, quantised=True)
    assert len(training_advice(Load(1, 512), every)) == 1
    assert "512 tokens" in training_advice(Load(1, 512), every)[0]
    assert len(training_advice(Load(8, 512), Saving(False, False, False))) == 5
    assert "lora" in training_advice(Load(8, 512), Saving(True, False, False))[-1]
    assert len(scoring_advice(Load(1, 9))) == 1
    assert len(update_advice(every)) == 1


def test_other_errors_pass():
    for error in (ValueError("no"), RuntimeError("shape mismatch"), OutOfMemory("told before")):
        with pytest.raises(type(error)) as caught, advised("training", list):
            raise error
        assert caught.value is error


def test_it_is_known_as_an_error_of_memory():
    error = OutOfMemory("short")
    assert out_of_memory(error)

    def attempt():
        raise error

    with pytest.raises(OutOfMemory):
        misfit(attempt)


def test_an_adapter_is_known(saved):
    assert made(saved)._saving == Saving(checkpointing=False, adapter=True, quantised=False)
    assert made(saved, "NF4, LoRA", lora=LoRA(r=2))._saving.quantised
