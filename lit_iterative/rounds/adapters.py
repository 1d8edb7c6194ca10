"""Weight policies for adapters such as LoRA: merged into the base when a round is made, or begun anew.

Either way the parameters change under the optimiser, whose moments are about the adapter before:
``Phase(optimizer="reset")`` goes with both.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import nn

from lit_iterative.errors import SetupError
from lit_iterative.rounds.sync import SyncContext, WeightPolicy
from lit_iterative.seeds import seed_all


@runtime_checkable
class Adapted(Protocol):
    """A module with an adapter, as ``LanguagePolicy`` is one."""

    def check_adapter(self, merge: bool) -> None:
        """Refuse a module that has no adapter, or one that cannot be merged where it is to be."""

    def merge_adapter(self) -> None:
        """Add the adapter to the base, and begin a new one in its place."""

    def new_adapter(self) -> None:
        """Begin a new adapter on the same base."""


@dataclass(frozen=True)
class MergeAdapter(WeightPolicy):
    """Adds the adapter to the base, and trains a new one on it; what the model says stays the same.

    The merged base is saved in checkpoints, and is what ``Base()`` means from then on. The new adapter is drawn from
    the seed and the round.

    Example:
        >>> class Layer(nn.Linear):
        ...     check_adapter = new_adapter = merge_adapter = lambda self, *_: None
        >>> MergeAdapter().apply(Layer(1, 1), SyncContext(round=1, seed=0, initial=dict, past=dict))
        True
    """

    def check(self, module: nn.Module) -> None:
        """Refuse a module without an adapter, and a base into which none can be merged.

        Raises:
            SetupError: If so.
        """
        adapted(module, "MergeAdapter()").check_adapter(merge=True)

    def apply(self, module: nn.Module, context: SyncContext) -> bool:
        """Merge the adapter."""
        seed_all(context.seed, "adapter", context.round)
        adapted(module, "MergeAdapter()").merge_adapter()
        return True


@dataclass(frozen=True)
class NewAdapter(WeightPolicy):
    """Drops the adapter, and trains a new one on the same base; it is drawn from the seed and the round.

    The round's data come from the adapter before, so that every round is distilled into a fresh start.

    Example:
        >>> class Layer(nn.Linear):
        ...     check_adapter = new_adapter = merge_adapter = lambda self, *_: None
        >>> NewAdapter().apply(Layer(1, 1), SyncContext(round=1, seed=0, initial=dict, past=dict))
        True
    """

    def check(self, module: nn.Module) -> None:
        """Refuse a module without an adapter.

        Raises:
            SetupError: If so.
        """
        adapted(module, "NewAdapter()").check_adapter(merge=False)

    def apply(self, module: nn.Module, context: SyncContext) -> bool:
        """Begin a new adapter."""
        seed_all(context.seed, "adapter", context.round)
        adapted(module, "NewAdapter()").new_adapter()
        return True


def adapted(module: nn.Module, what: str) -> Adapted:
    """Return the module as one with an adapter.

    Raises:
        SetupError: If it knows of none.
    """
    if not isinstance(module, Adapted):
        raise SetupError(
            f"{what} needs a module with an adapter, but {type(module).__name__} has no check_adapter, merge_adapter "
            "and new_adapter. Use LanguagePolicy with a lora, or Continue()."
        )
    return module
