"""Rounds: what a round is, when it is due, how it is made and where it is kept."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lit_iterative.rounds.adapters import MergeAdapter, NewAdapter
    from lit_iterative.rounds.plan import Phase, Plan, When
    from lit_iterative.rounds.store import Store
    from lit_iterative.rounds.sync import Continue, ReinitFromBase, ReinitFromScratch, Rewind, RollBack
    from lit_iterative.rounds.version import Version

__all__ = [
    "Continue",
    "MergeAdapter",
    "NewAdapter",
    "Phase",
    "Plan",
    "ReinitFromBase",
    "ReinitFromScratch",
    "Rewind",
    "RollBack",
    "Store",
    "Version",
    "When",
]

MODULES = {
    "adapters": ("MergeAdapter", "NewAdapter"),
    "plan": ("Phase", "Plan", "When"),
    "store": ("Store",),
    "sync": ("Continue", "ReinitFromBase", "ReinitFromScratch", "Rewind", "RollBack"),
    "version": ("Version",),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: whoever only looks into a store need not wait for torch."""
    for module, names in MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
