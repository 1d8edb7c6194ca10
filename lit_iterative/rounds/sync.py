"""Sync policies: where weights, optimiser and schedules stand when training on new data begins."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer

from lit_iterative.errors import SetupError
from lit_iterative.rounds.weights import Weights, load_into
from lit_iterative.seeds import seed_all


@dataclass(frozen=True)
class SyncContext:
    """What a weight policy may know.

    Args:
        round: Number of the new round.
        seed: Seed of the run.
        initial: Loads the weights from before training.
        past: Loads the weights at the boundary of an earlier round.
        scores: The metrics at every boundary so far, by round; those of this round are the last.
    """

    round: int
    seed: int
    initial: Callable[[], Weights]
    past: Callable[[int], Weights]
    scores: Mapping[int, Mapping[str, float]] = field(default_factory=dict)


class WeightPolicy(ABC):
    """Decides the weights that a round trains from. Subclass it as a frozen dataclass."""

    #: Whether the weights from before training must be kept.
    needs_initial: bool = False

    def check(self, module: nn.Module) -> None:  # noqa: B027  # most policies take any module
        """Refuse a module that the policy cannot work on; called before training begins."""

    @abstractmethod
    def apply(self, module: nn.Module, context: SyncContext) -> bool:
        """Change the module in place and tell whether anything was changed."""


@dataclass(frozen=True)
class Continue(WeightPolicy):
    """Goes on from the live weights.

    Example:
        >>> Continue().apply(nn.Linear(1, 1), SyncContext(round=1, seed=0, initial=dict, past=dict))
        False
    """

    def apply(self, module: nn.Module, context: SyncContext) -> bool:
        """Change nothing."""
        return False


@dataclass(frozen=True)
class ReinitFromBase(WeightPolicy):
    """Goes back to the weights and buffers from before training, in every round.

    Args:
        only: What the names of the weights begin with that go back, such as ``reward.`` where a reward model is
            trained anew beside a policy that goes on; all when left out.

    Raises:
        SetupError: If there are none of that name, when applied.

    Example:
        >>> import torch
        >>> module, initial = nn.Linear(1, 1, bias=False), {"weight": torch.tensor([[7.0]])}
        >>> ReinitFromBase().apply(module, SyncContext(round=1, seed=0, initial=lambda: initial, past=dict))
        True
        >>> module.weight.item()
        7.0
    """

    only: str | None = None
    needs_initial = True

    def apply(self, module: nn.Module, context: SyncContext) -> bool:
        """Load the initial weights."""
        chosen = {name: value for name, value in context.initial().items() if name.startswith(self.only or "")}
        if not chosen:
            raise SetupError(f"No weights have a name that begins with {self.only!r}. Name a part of the module.")
        load_into(module, chosen)
        return True


@dataclass(frozen=True)
class ReinitFromScratch(WeightPolicy):
    """Draws all weights anew, from another seed in every round; running statistics start anew as well.

    Example:
        >>> module = nn.Linear(1, 1)
        >>> before = module.weight.item()
        >>> ReinitFromScratch().apply(module, SyncContext(round=1, seed=0, initial=dict, past=dict))
        True
        >>> module.weight.item() == before
        False
    """

    def check(self, module: nn.Module) -> None:
        """Refuse layers that cannot be reset.

        Raises:
            SetupError: If there is one.
        """
        check_resettable(module)

    def apply(self, module: nn.Module, context: SyncContext) -> bool:
        """Reset every layer.

        Raises:
            SetupError: If a layer has weights but cannot reset them.
        """
        check_resettable(module)
        seed_all(context.seed, "reinit", context.round)
        module.apply(_reset)  # children first, since a module may have its own way to start its layers
        return True


@dataclass(frozen=True)
class RollBack(WeightPolicy):
    """Goes back to the best boundary so far if the last round made a metric worse.

    Args:
        monitor: Name of the metric.
        mode: Whether it is to be small or large.
        tolerance: How much worse than the best is still good enough.

    Example:
        >>> import torch
        >>> module, best = nn.Linear(1, 1, bias=False), {"weight": torch.tensor([[7.0]])}
        >>> scores = {0: {"val_accuracy": 0.9}, 1: {"val_accuracy": 0.8}}
        >>> context = SyncContext(round=1, seed=0, initial=dict, past=lambda round: best, scores=scores)
        >>> RollBack("val_accuracy").apply(module, context)
        True
        >>> module.weight.item()
        7.0
    """

    monitor: str
    mode: Literal["min", "max"] = "max"
    tolerance: float = 0.0

    def apply(self, module: nn.Module, context: SyncContext) -> bool:
        """Load the weights of the best boundary unless the present ones are as good.

        Raises:
            SetupError: If the metric was not logged.
        """
        known = {round: metrics[self.monitor] for round, metrics in context.scores.items() if self.monitor in metrics}
        if context.round not in known:
            raise SetupError(
                f"RollBack watches {self.monitor!r}, but the trainer knows "
                f"{sorted(context.scores.get(context.round, {}))}. Log it in validation_step, and start the rounds "
                "after the first validation with warmup_epochs: 1."
            )
        sign = 1 if self.mode == "max" else -1
        best = max(known, key=lambda round: (sign * known[round], round))
        if sign * (known[best] - known[context.round]) <= self.tolerance:
            return False
        load_into(module, context.past(best))
        return True


@dataclass(frozen=True)
class Rewind(WeightPolicy):
    """Goes back to the weights in front of an earlier round: what was trained since then has only made data.

    Temporal Self-Rewarding (Wang et al., 2025, arXiv:2508.06026) trains a temporary model, which only proposes, and
    trains on its proposals from the weights that it began with.

    Args:
        rounds: How many rounds earlier; 1 is the last one.

    Raises:
        SetupError: If there is no earlier round, or not so many of them, when applied.

    Example:
        >>> import torch
        >>> module, before = nn.Linear(1, 1, bias=False), {"weight": torch.tensor([[7.0]])}
        >>> context = SyncContext(1, 0, dict, past=lambda round: before, scores={0: {}, 1: {}})
        >>> Rewind().apply(module, context), module.weight.item()
        (True, 7.0)
    """

    rounds: int = 1

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise SetupError(f"Rewind(rounds) is {self.rounds}. Go back at least 1 round, or use Continue().")

    def apply(self, module: nn.Module, context: SyncContext) -> bool:
        """Load the weights of that boundary."""
        path = sorted(context.scores)  # the rounds on which this one builds, and this one
        if len(path) <= self.rounds:
            raise SetupError(
                f"Rewind goes back {self.rounds} rounds, but only {len(path) - 1} were made before this one. Let a "
                "phase without it, of as many rounds, come first."
            )
        load_into(module, context.past(path[-1 - self.rounds]))
        return True


def _reset(layer: nn.Module) -> None:
    reset = getattr(layer, "reset_parameters", None)
    if callable(reset):
        reset()


def check_resettable(module: nn.Module) -> None:
    """Check that every layer with weights of its own can draw them anew.

    Raises:
        SetupError: If one cannot.
    """
    for name, layer in module.named_modules():
        has_own = next(layer.parameters(recurse=False), None) is not None
        if has_own and not callable(getattr(layer, "reset_parameters", None)):
            raise SetupError(
                f"ReinitFromScratch cannot reset {name or 'the module'} ({type(layer).__name__}), which has weights "
                "but no reset_parameters(). Give it that method, or use ReinitFromBase."
            )


def stateless(optimizers: list[Optimizer]) -> list[Optimizer]:
    """Return the optimisers without a state, which have made no step.

    They are to have none behind a checkpoint, too: to gather the state of a sharded one, torch first gives it one, by a
    step of length 0, which Adam counts.
    """
    return [optimizer for optimizer in optimizers if not optimizer.state]


def reset_optimizers(optimizers: list[Optimizer]) -> None:
    """Forget all moments and step counts; groups, learning rates and schedules stay."""
    for optimizer in optimizers:
        optimizer.state.clear()


def snapshot_schedules(schedulers: list[Any]) -> list[Any]:
    """Copy the state that schedules start from, with the learning rates."""
    copies = []
    for scheduler in schedulers:
        rates = [group["lr"] for group in scheduler.optimizer.param_groups]
        state = {k: v for k, v in scheduler.state_dict().items() if not callable(v)}
        copies.append((state, rates))
    return copies


def rewarm_schedules(schedulers: list[Any], start: list[Any]) -> None:
    """Bring every schedule, and the learning rates it sets, back to where it started."""
    for scheduler, (state, rates) in zip(schedulers, start, strict=True):
        scheduler.load_state_dict(dict(state))
        for group, rate in zip(scheduler.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate


def check_schedules(scheduler: Any, interval: str, fixed_length: bool) -> None:
    """Refuse a schedule whose horizon a data set of changing size would miss.

    Args:
        scheduler: The learning-rate scheduler.
        interval: Whether it steps every ``step`` or every ``epoch``.
        fixed_length: Whether every epoch has the same number of steps.

    Raises:
        SetupError: If it counts steps up to a fixed end.
    """
    parts = getattr(scheduler, "_schedulers", [])
    for part in parts[-1:] if hasattr(scheduler, "_milestones") else parts:  # a sequence ends with its last
        check_schedules(part, interval, fixed_length)
    has_end = any(hasattr(scheduler, name) for name in ("total_steps", "T_max", "total_iters"))
    if interval == "step" and has_end and not fixed_length:
        raise SetupError(
            f"{type(scheduler).__name__} counts steps up to a fixed end, but rounds change the number of steps in an "
            "epoch. Give the data a fixed length (Mixing(rows_per_epoch=...) of the refreshable DataModule), or step "
            "the schedule once an epoch (interval: epoch)."
        )
