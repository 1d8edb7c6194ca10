"""``rounds prune``: free the space of old rounds, but for those that anything may still go back to."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lit_iterative.inspect import text
from lit_iterative.inspect.checkpoints import named_rounds
from lit_iterative.inspect.listing import status_of
from lit_iterative.inspect.pruned import NOTE, pruned_files
from lit_iterative.inspect.summary import DEFAULT_MONITOR, chosen
from lit_iterative.rounds.layout import BOUNDARY, folder
from lit_iterative.rounds.manifest import Manifest
from lit_iterative.rounds.seal import sealed
from lit_iterative.rounds.store import Store

#: Parts of a plan that load the weights of earlier rounds from their checkpoints.
GOING_BACK = (
    "lit_iterative.ops.actors.AtRound",
    "lit_iterative.rounds.sync.Rewind",
    "lit_iterative.rounds.sync.RollBack",
)


@dataclass(frozen=True)
class Pruning:
    """What may go and what must stay.

    Args:
        kept: Why each round that keeps its rows does so.
        files: Size of every file that may go, by its path below the store.
        rounds: Rounds that would lose their rows.
    """

    kept: Mapping[int, str]
    files: Mapping[str, int]
    rounds: list[int]

    @property
    def bytes(self) -> int:
        """Space that would be freed."""
        return sum(self.files.values())


def plan_pruning(
    store: Store, keep: int = 2, places: Sequence[str] = (), superseded: bool = False, monitor: str = DEFAULT_MONITOR
) -> Pruning:
    """Decide which rounds may lose their rows and their checkpoint; manifests always stay.

    Kept are the last rounds; the best by the monitored metric; all whose rows those serve or start from; all that a
    checkpoint names; and everything where the plan goes back to the weights of earlier rounds.

    Args:
        store: The store.
        keep: How many of the last rounds keep everything.
        places: More folders in which checkpoints may name rounds.
        superseded: Whether rounds that were set aside may go as well.
        monitor: The held-out metric by which the best round is known.

    Raises:
        StoreError: If a checkpoint cannot be read, so that it is not known what it names.
    """
    manifests = [version.manifest for version in store.versions()]
    kept = {manifest.round: "one of the last" for manifest in manifests[-keep:]}
    whole = set(kept)  # these keep their checkpoint as well
    best = _best(manifests, monitor)
    if best is not None:
        kept.setdefault(best, f"the best by {monitor}")
        whole |= {best, best + 1}  # whose checkpoint holds the weights that were best
    if any(path in json.dumps(manifest.recipe) for manifest in manifests for path in GOING_BACK):
        whole |= {manifest.round for manifest in manifests}
    for path, made in named_rounds(store, places).items():
        inside = re.search(r"round-(\d{5})/" + re.escape(BOUNDARY) + "$", path)
        if inside is None or int(inside[1]) in whole or int(inside[1]) >= len(manifests):
            _keep(kept, store, made, f"named by {path}")
    for round in sorted(kept):
        served = manifests[round].serves
        if served is not None:
            kept.setdefault(served, f"round {round} serves its rows")
    rounds = [m.round for m in manifests if m.round not in kept and status_of(store, m) == "committed"]
    files = {name: store.files.size(name) for name in _files(store, manifests, kept, whole)}
    if superseded:
        files |= {f"superseded/{name}": 0 for name in store.files.list("superseded")}
    return Pruning(dict(sorted(kept.items())), files, rounds)


def _keep(kept: dict[int, str], store: Store, made: int, reason: str) -> None:
    """Keep the round that a checkpoint with so many rounds behind it trains on."""
    path = store.path(min(made, len(store.rounds())))
    if path:
        kept.setdefault(path[-1], reason)


def _best(manifests: list[Manifest], monitor: str) -> int | None:
    """Return the round after whose training the metric was best, of those after which another came."""
    afters = {before.round: after.metrics_before for before, after in pairwise(manifests)}
    names = chosen((name for after in afters.values() for name in after), monitor)[:1]
    scores = {round: after[names[0]] for round, after in afters.items() if names and names[0] in after}
    sign = -1 if names and "loss" in names[0] else 1
    return max(scores, key=lambda round: (sign * scores[round], round)) if scores else None


def _files(store: Store, manifests: list[Manifest], kept: Mapping[int, str], whole: set[int]) -> list[str]:
    """Return the files that may go: of a round that only keeps its rows, its checkpoint."""
    names: list[str] = []
    for manifest in manifests:
        base = folder(manifest.round)
        if manifest.round not in kept:
            names += [f"{base}/{shard.name}" for shard in manifest.shards]
            names.append(f"{base}/data/ledger.parquet")
        if manifest.round not in whole:
            names += [f"{base}/{BOUNDARY}", f"{base}/boundary.json"]
    return [name for name in names if store.files.exists(name)]


def prune(store: Store, pruning: Pruning) -> None:
    """Remove the files; a note of them is written first, so that what is left is always explained."""
    by_base: dict[str, set[str]] = {}
    for path in pruning.files:
        base, _, name = path.partition("/")
        by_base.setdefault(base, set()).add(name)
    for base, names in by_base.items():
        if base != "superseded":
            gone = sorted(names | pruned_files(store.files, base))
            store.files.write_bytes(f"{base}/{NOTE}", sealed({"files": gone}))
    for path in pruning.files:
        store.files.remove(path)


def render_pruning(pruning: Pruning, done: bool) -> str:
    """Return it as text."""
    kept = text.table(["kept", "why"], [[str(round), text.clean(why)] for round, why in pruning.kept.items()])
    if not pruning.files:
        return f"{kept}\n\nThere is nothing to remove."
    rounds = ", ".join(map(str, pruning.rounds)) or "none"
    what = f"{len(pruning.files)} files, {text.size(pruning.bytes)}; rounds that lose their rows: {rounds}"
    if done:
        return f"{kept}\n\nRemoved: {what}. Manifests and metrics of all rounds are still there."
    more = "A guard that goes back chooses among the rounds that keep their checkpoint."
    return f"{kept}\n\nWould remove {what}. {more} Nothing was removed yet: add --yes."
