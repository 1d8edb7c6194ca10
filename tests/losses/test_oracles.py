"""Every loss of the table equals its paper's formula, in values and gradients, on every batch."""

from dataclasses import replace

import pytest
import torch

from lit_iterative.errors import DataError
from lit_iterative.losses.parameters import parameters_of
from lit_iterative.losses.table import LOSSES, find_loss
from tests.losses.oracle import INPUTS
from tests.losses.oracles import ORACLES
from tests.losses.rows import BUILDERS, CASES, exact

BASELINE = 0.375
TRIALS = [(name, case) for name, loss in LOSSES.items() for case in CASES[loss.kind]]
#: Float32 holds a sum of -10,000 to 5e-4 only, but the oracle is given what it holds: what is left is the rounding of
#: differences (6e-8 of 1,000) and of exponentials (30 times 6e-8), each a few times.
TOLERANCE = {torch.float64: 1e-11, torch.float32: 5e-6}


def test_every_loss_has_an_oracle():
    assert set(ORACLES) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_the_oracle_is_tried_with_every_parameter(name):
    parameters = set(parameters_of(LOSSES[name].function))
    assert set(ORACLES[name].defaults) == parameters
    assert set(ORACLES[name].others) == parameters
    assert all(ORACLES[name].defaults[key] != ORACLES[name].others[key] for key in parameters)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float64", "float32"])
@pytest.mark.parametrize(("name", "case"), TRIALS)
def test_values_and_gradients(name, case, dtype):
    oracle, kind = ORACLES[name], LOSSES[name].kind
    rows = [exact(row, dtype) for row in CASES[kind][case]]
    weights = [1.0 + 0.25 * index for index in range(len(rows))]
    extra = {"baseline": BASELINE} if LOSSES[name].baseline else {}
    for given, whole in (({}, oracle.defaults), (oracle.others, oracle.others)):
        batch, leaves = trainable(kind, CASES[kind][case], dtype)
        losses = find_loss(name, given)(batch, *(torch.tensor(value, dtype=dtype) for value in extra.values()))
        (losses * torch.tensor(weights, dtype=dtype)).sum().backward()
        assert losses.dtype == dtype
        agree(losses.tolist(), oracle.formula(rows, **extra, **whole), TOLERANCE[dtype])
        expected = oracle.gradient(kind, rows, weights, extra | whole)
        for index, slopes in enumerate(expected):
            got = [slope for leaf in leaves for slope in leaf.grad[index].reshape(-1).tolist()]
            agree(got[: len(slopes)], slopes, TOLERANCE[dtype])
            assert not any(got[len(slopes) :]), "a place without a completion has a gradient"


def trainable(kind, rows, dtype):
    """Return the batch, and the policy's log-probabilities in it, which want gradients."""
    batch = BUILDERS[kind](rows, dtype)
    names = INPUTS.get(kind, ("completions",))
    leaves = [getattr(batch, name).clone().requires_grad_() for name in names]
    return replace(batch, **dict(zip(names, leaves, strict=True))), leaves


def agree(got, expected, tolerance):
    for mine, true in zip(got, expected, strict=True):
        assert abs(mine - true) <= tolerance * max(1, abs(true)), f"{mine} is not {float(true)}"


@pytest.mark.parametrize(("name", "parameter"), [(name, key) for name in ORACLES for key in ORACLES[name].others])
def test_no_parameter_is_ignored(name, parameter):
    kind, value = LOSSES[name].kind, ORACLES[name].others[parameter]
    batch = BUILDERS[kind](CASES[kind]["ordinary"], torch.float64)
    extra = [torch.tensor(BASELINE)] if LOSSES[name].baseline else []
    assert not torch.equal(find_loss(name, {parameter: value})(batch, *extra), find_loss(name)(batch, *extra))


@pytest.mark.parametrize("name", LOSSES)
def test_needs_are_those_of_the_table(name):
    kind, needs = LOSSES[name].kind, set(LOSSES[name].needs)
    batch = BUILDERS[kind](CASES[kind]["ordinary"], torch.float64)
    extra = [torch.tensor(BASELINE)] if LOSSES[name].baseline else []
    groups = {
        "reference": ("reference", "reference_chosen", "reference_rejected"),
        "preference": ("preference",),
        "win_rate": ("chosen_win_rate", "rejected_win_rate"),
        "pass_rate": ("pass_rate",),
        "anchor": ("anchor_chosen", "anchor_rejected"),
    }
    for need, fields in groups.items():
        without = replace(batch, **{field: None for field in fields if hasattr(batch, field)})
        if need in needs:
            with pytest.raises(DataError, match=need):
                find_loss(name)(without, *extra)
        else:
            find_loss(name)(without, *extra)


@pytest.mark.parametrize("name", LOSSES)
def test_references_get_no_gradient(name):
    kind = LOSSES[name].kind
    batch, _ = trainable(kind, CASES[kind]["ordinary"], torch.float64)
    fields = [field for field in ("reference", "reference_chosen", "reference_rejected") if hasattr(batch, field)]
    references = {field: getattr(batch, field).clone().requires_grad_() for field in fields}
    extra = [torch.tensor(BASELINE)] if LOSSES[name].baseline else []
    find_loss(name)(replace(batch, **references), *extra).sum().backward()
    assert all(reference.grad is None for reference in references.values())
