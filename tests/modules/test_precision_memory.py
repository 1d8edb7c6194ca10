"""Memory that runs out in a fit: the error names what to lower, and the same command goes on with what was made."""

from contextlib import contextmanager
from functools import partial

import pytest
import torch
from lightning.pytorch.utilities.memory import is_oom_error

from lit_iterative.errors import OutOfMemory, misfit, out_of_memory
from lit_iterative.modules.backbone import LoRA
from lit_iterative.modules.memory import Load, Saving, advised, scoring_advice, training_advice, update_advice
from lit_iterative.rounds.store import Store
from tests.projects.precisions import fit, made, rounds

CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
CPU = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")


@contextmanager
def at_most(module, rows, grad, error=CUDA):
    """Let the network fail where it is given more rows, with gradients or without."""

    def check(_, arguments):
        if torch.is_grad_enabled() is grad and len(arguments[0]) > rows:
            raise error

    hook = module.network.get_input_embeddings().register_forward_pre_hook(check)
    yield
    hook.remove()


def rows_of(path):
    return [[shard.sha256 for shard in version.manifest.shards] for version in Store(path / "rounds").versions()]


@pytest.mark.parametrize("error", [CUDA, CPU, MemoryError()], ids=["cuda", "cpu", "python"])
def test_training_names_the_batch_and_goes_on_with_a_smaller_one(tmp_path, saved, error):
    module = made(saved)
    with at_most(module, 6, grad=True, error=error), pytest.raises(OutOfMemory) as caught:
        fit(tmp_path, module, rounds())  # a warm-up on 4 rows, then pairs
    told = str(caught.value)
    assert told.startswith("Out of memory in training. Lower batch_size of the DataModule, here 4, and raise")
    for setting in ("accumulate_grad_batches", "gradient_checkpointing=True", "max_prompt_tokens", "load_in_4bit"):
        assert setting in told
    assert f"the same command goes on from there. (It was {type(error).__name__}: {error})" in told
    assert caught.value.__cause__ is error
    assert is_oom_error(caught.value) is is_oom_error(error)
    kept = rows_of(tmp_path)
    assert len(kept) == 1

    again = made(saved, seed=3)
    with at_most(again, 6, grad=True):
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
    module = made(saved, batch_size=4)
    with at_most(module, 7, grad=False), pytest.raises(OutOfMemory, match="in training. Lower batch_size of the Data"):
        fit(tmp_path, module, rounds())


def test_scoring_names_the_batch_and_goes_on_with_a_smaller_one(tmp_path, saved):
    class Counting(type(made(saved))):
        asked = 0

        def generate(self, *arguments):
            self.asked += 1
            return super().generate(*arguments)

    def counting(**options):
        module = made(saved, **options)
        module.__class__ = Counting
        return module

    module = counting()
    with at_most(module, 4, grad=False), pytest.raises(OutOfMemory) as caught:
        fit(tmp_path, module, rounds())  # sampling goes on in smaller batches by itself
    assert str(caught.value).startswith("Out of memory in scoring. Lower LanguagePolicy(batch_size), here ")
    assert module.asked == 1
    assert not rows_of(tmp_path)

    again = counting(batch_size=4, seed=3)
    with at_most(again, 4, grad=False):
        fit(tmp_path, again, rounds(), batch_size=2)
    assert again.asked == 1  # for the second round: what the first had sampled was kept
    fit(tmp_path / "whole", made(saved), rounds())
    found, expected = (next(iter(Store(path / "rounds").versions())).table() for path in (tmp_path, tmp_path / "whole"))
    for name in ("prompt_ids", "chosen_ids", "rejected_ids"):
        assert found[name].to_pylist() == expected[name].to_pylist()


def test_sampling_that_runs_out_with_one_row(saved):
    module = made(saved)
    with at_most(module, 0, grad=False), pytest.raises(OutOfMemory, match=r"in sampling.*Sampling\(max_new_tokens\)"):
        module.generate([[1, 5]], [0], rounds().plan.phases[0].ops[1].sampling)


# ---- what is told -----------------------------------------------------------------------------------------


def test_only_what_can_be_lowered_is_named():
    every = Saving(checkpointing=True, adapter=True, quantised=True)
    assert len(training_advice(Load(1, 512), every)) == 1
    assert "512 tokens" in training_advice(Load(1, 512), every)[0]
    assert len(training_advice(Load(8, 512), Saving(False, False, False))) == 4
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
