"""Boundaries: the trainer is saved in front of a round, and a round that is there already is found by its facts."""

from collections.abc import Callable

from lightning.pytorch.utilities import rank_zero_warn

from lit_iterative.ops.context import Ranks
from lit_iterative.rounds.layout import BOUNDARY
from lit_iterative.rounds.make import Facts
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.version import Version


def committed(store: Store, facts: Facts) -> Version | None:
    """Return the round if it is in the store, made from the same facts."""
    version = store.open(facts.round) if facts.round in store.rounds() else None
    return version if version is not None and version.manifest.key == facts.key else None


def write_boundary(store: Store, facts: Facts, ranks: Ranks, save: Callable[[str], None]) -> None:
    """Save the trainer in front of the round, unless a run that was stopped here has done so.

    Args:
        store: The store; rounds in the way, which were made from other facts, are set aside.
        facts: What the round starts from.
        ranks: The processes, all of which call this.
        save: Saves the trainer to a file of the store.
    """
    draft = store.draft(facts.round)
    begun = draft.begun and draft.facts()["key"] == facts.key
    if ranks.broadcast(begun):
        return
    if ranks.rank == 0:
        moved = store.supersede(facts.round)
        if moved:
            rank_zero_warn(f"This run starts round {facts.round} from other weights; set aside: {moved}.")
    ranks.barrier()
    save(f"{draft.base}/{BOUNDARY}")
    if ranks.rank == 0:
        draft.begin(facts.to_dict())
    ranks.barrier()
