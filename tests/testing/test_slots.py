"""The suites for schedules and weight policies fail on parts that break a promise."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from torch import nn

from lit_iterative.ops.schedule import Schedule
from lit_iterative.rounds.sync import SyncContext, WeightPolicy
from lit_iterative.testing import ConformanceError, check_schedule, check_weight_policy
from tests.testing.broken_ops import seen


@dataclass(frozen=True)
class Drifts(Schedule):
    """Counts how often it is asked.

    Example:
        >>> Drifts().__class__.__name__
        'Drifts'
    """

    def __call__(self, round: int, metrics: Mapping[str, float]) -> float:
        seen.append(1)
        return float(len(seen))


def test_a_broken_schedule_fails() -> None:
    with pytest.raises(ConformanceError, match="asked again"):
        check_schedule(Drifts())


@dataclass(frozen=True)
class Lies(WeightPolicy):
    """Says that it changed something.

    Example:
        >>> Lies().__class__.__name__
        'Lies'
    """

    def apply(self, module: nn.Module, context: SyncContext) -> bool:
        return True


@dataclass(frozen=True)
class Rolls(Lies):
    """Draws weights from the global random state.

    Example:
        >>> Rolls().__class__.__name__
        'Rolls'
    """

    def apply(self, module: nn.Module, context: SyncContext) -> bool:
        module[0].reset_parameters()
        return True


def test_broken_weight_policies_fail() -> None:
    with pytest.raises(ConformanceError, match="say otherwise"):
        check_weight_policy(Lies())
    with pytest.raises(ConformanceError, match="two sets of weights"):
        check_weight_policy(Rolls())
