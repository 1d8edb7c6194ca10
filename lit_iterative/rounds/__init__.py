"""Rounds: what a round is, when it is due, how it is made and where it is kept."""

from lit_iterative.rounds.adapters import MergeAdapter, NewAdapter
from lit_iterative.rounds.plan import Phase, Plan, When
from lit_iterative.rounds.store import Store, Version
from lit_iterative.rounds.sync import Continue, ReinitFromBase, ReinitFromScratch, RollBack

__all__ = [
    "Continue",
    "MergeAdapter",
    "NewAdapter",
    "Phase",
    "Plan",
    "ReinitFromBase",
    "ReinitFromScratch",
    "RollBack",
    "Store",
    "Version",
    "When",
]
