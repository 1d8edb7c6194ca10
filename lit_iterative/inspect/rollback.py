"""``rounds rollback``: let a run go on from an earlier round; what came later is set aside, not deleted."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from lit_iterative.errors import StoreError
from lit_iterative.inspect import text
from lit_iterative.inspect.checkpoints import named_rounds
from lit_iterative.inspect.find import begun, find_round
from lit_iterative.rounds.layout import BOUNDARY, LAST, folder
from lit_iterative.rounds.seal import sealed
from lit_iterative.rounds.store import Store


@dataclass(frozen=True)
class Rollback:
    """What going back means.

    Args:
        to: The round from which the run goes on.
        epoch: The epoch that is trained next, on the rows of this round.
        global_step: Optimiser steps taken before it.
        dropped: Rounds that are set aside, begun or committed.
        ended: Whether the end of a fit is set aside as well.
        checkpoints: Checkpoints that name rounds which are set aside.
        moved: Where things are now; empty before it was done.
    """

    to: int
    epoch: int
    global_step: int
    dropped: list[int]
    ended: bool
    checkpoints: list[str]
    moved: list[str]


def plan_rollback(store: Store, to: int, places: Sequence[str] = ()) -> Rollback:
    """Return what going back to a round would mean.

    Args:
        store: The store.
        to: The last round that stays.
        places: More folders in which checkpoints may name rounds.

    Raises:
        StoreError: If the round is unknown, or its checkpoint is not there.
    """
    manifest = find_round(store, to).manifest
    if not all(store.files.exists(f"{folder(to)}/{name}") for name in (BOUNDARY, "boundary.json")):
        raise StoreError(
            f"Round {to} of {store.url} has no checkpoint, so that no run can go on from it; was it pruned? Choose "
            f"one of {[round for round in store.rounds() if store.files.exists(f'{folder(round)}/{BOUNDARY}')]}."
        )
    named = named_rounds(store, places)
    own = store.files.path("").rstrip("/") + "/"
    return Rollback(
        to=to,
        epoch=manifest.epoch,
        global_step=manifest.global_step,
        dropped=[round for round in begun(store) if round > to],
        ended=store.files.exists("last.json") or store.files.exists(LAST),
        checkpoints=[path for path, made in named.items() if made > to + 1 and not path.startswith(own)],
        moved=[],
    )


def roll_back(store: Store, plan: Rollback) -> Rollback:
    """Set aside all later rounds and the end of the fit, under ``superseded``; a note tells of it."""
    moved: list[str] = []
    for name in ("last.json", LAST):  # first the note that the end is whole
        if store.files.exists(name):
            moved.append(f"superseded/{len(store.files.list('superseded')):03d}-{name}")
            store.files.move(name, moved[-1])
    moved += store.supersede(plan.to + 1)
    if moved:
        note = f"superseded/{len(store.files.list('superseded')):03d}-rollback.json"
        store.files.write_bytes(note, sealed({"to": plan.to, "dropped": plan.dropped, "moved": moved}))
    return Rollback(**{**vars(plan), "moved": moved})


def render_rollback(plan: Rollback, done: bool) -> str:
    """Return it as text."""
    if not plan.dropped and not plan.ended:
        return f"Round {plan.to} is the last, and nothing came after it. There is nothing to set aside."
    verb = "were" if done else "would be"
    what = [f"rounds {', '.join(map(str, plan.dropped))}"] if plan.dropped else []
    what += ["the end of the fit (last.ckpt)"] if plan.ended else []
    dropped = " and ".join(what)
    lines = [
        f"{dropped[0].upper()}{dropped[1:]} {verb} set aside under superseded/; nothing is deleted.",
        f"The same fit command then goes on in front of epoch {plan.epoch}, after {text.count(plan.global_step)} "
        f"optimiser steps: it trains on the rows of round {plan.to} again, and makes round {plan.to + 1} anew. With "
        "the same seed, settings and machine that is what it made before. So change how it trains (steps, learning "
        "rate, guards); other ops or another seed need a store of their own.",
    ]
    if plan.checkpoints:
        names = ", ".join(posixpath.basename(path) for path in plan.checkpoints)
        lines.append(f"These checkpoints name rounds that {verb} set aside, and could not be resumed: {names}.")
    if not done:
        lines.append("Nothing was moved yet: add --yes.")
    return "\n".join(lines)
