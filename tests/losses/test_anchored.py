"""Anchored losses see each completion, not the margin alone."""

import math

import pytest

from lit_iterative.losses.anchored import apo_down, apo_zero, nca
from lit_iterative.losses.testing import pairs


@pytest.mark.parametrize(("loss", "start"), [(nca, 2 * math.log(2)), (apo_zero, 1.0), (apo_down, 1.0)])
def test_values_at_the_start(loss, start):
    assert loss(pairs(0.0, 0.0), beta=0.5).item() == pytest.approx(start)


@pytest.mark.parametrize(("loss", "sinks"), [(nca, False), (apo_zero, False), (apo_down, True)])
def test_what_happens_when_both_completions_become_improbable(loss, sinks):
    """The margin stays: NCA and APO-zero object, APO-down is content."""
    before, after = loss(pairs(0.0, -2.0), beta=0.5), loss(pairs(-4.0, -6.0), beta=0.5)
    assert (after < before).item() == sinks
