"""The table: names, kinds, baselines."""

import inspect
from importlib import import_module
from pkgutil import iter_modules

import pytest
import torch

from lit_iterative import losses
from lit_iterative.errors import DataError, SetupError
from lit_iterative.losses.rewards import implicit_rewards
from lit_iterative.losses.table import BATCHES, LOSSES, find_loss
from lit_iterative.losses.testing import pairs, ranked, sequences, unpaired

EXAMPLES = {"pairs": pairs(), "ranked": ranked(1.0, 0.0), "unpaired": unpaired(), "supervised": sequences()}


def test_an_unknown_name_is_told_with_near_ones_and_all():
    with pytest.raises(SetupError, match=r"There is no loss 'simp'. Near it are simpo.* All are: dpo, .*kl_sft"):
        find_loss("simp")


def test_a_name_near_none():
    with pytest.raises(SetupError, match="There is no loss 'zzzz'. All are: dpo"):
        find_loss("zzzz")


@pytest.mark.parametrize("name", LOSSES)
def test_another_kind_of_batch_is_told(name):
    for kind, batch in EXAMPLES.items():
        if kind != LOSSES[name].kind:
            with pytest.raises(DataError, match=f"The loss {name} was given {type(batch).__name__}.*choose one of"):
                find_loss(name)(batch)


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.baseline])
def test_losses_with_a_baseline(name):
    loss = find_loss(name)
    batch = unpaired(2.0, mismatched=-10.0, reference_mismatched=-13.0)
    baseline = loss.baseline(loss.statistics(batch))
    assert loss.needs_baseline
    assert baseline.shape == ()
    assert loss(batch, baseline).shape == (1,)
    with pytest.raises(SetupError, match=r"baseline None. Give baseline\(statistics\(batch\)\)"):
        loss(batch)


def test_losses_without_a_baseline():
    with pytest.raises(SetupError, match=r"baseline 0.0. Leave it out"):
        find_loss("dpo")(pairs(), torch.tensor(0.0))
    with pytest.raises(SetupError, match=r"dpo has no baseline; \['kto', 'bco'\] have one"):
        find_loss("dpo").statistics(unpaired())


@pytest.mark.parametrize("name", LOSSES)
def test_docstrings_name_every_parameter(name):
    function = LOSSES[name].function
    for parameter in inspect.signature(function).parameters:
        assert f"        {parameter}: " in function.__doc__


def test_every_loss_function_of_the_package_is_in_the_table():
    """A function of a batch that is defined in a module of losses and returns losses has a name."""
    modules = [import_module(f"{losses.__name__}.{found.name}") for found in iter_modules(losses.__path__)]
    batches = set(BATCHES.values())
    elsewhere = {implicit_rewards}
    found = {
        function
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_") and not name.endswith("_statistics")
        if next(iter(inspect.get_annotations(function, eval_str=True).values()), None) in batches
    }
    assert found - elsewhere == {loss.function for loss in LOSSES.values()}
