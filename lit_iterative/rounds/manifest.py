"""The manifest of a round: what made its data, how much of it there is, and hashes to prove it."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from lit_iterative.errors import StoreError
from lit_iterative.rounds.verdict import Verdict

FORMAT = 1


@dataclass(frozen=True)
class Shard:
    """One Parquet file of a round.

    Args:
        name: Path below the round's folder.
        rows: Rows in it.
        bytes: Size of the file.
        sha256: Hash of the file.
    """

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class OpCount:
    """What one op did.

    Args:
        name: Class of the op.
        rows_in: Rows that it was given.
        rows_out: Rows that it returned.
        seconds: Time spent in it, on the slowest rank where that is known.
        parameters: Its parameters in this round, schedules resolved.
        measured: What it counted and measured on the side.
    """

    name: str
    rows_in: int
    rows_out: int
    seconds: float
    parameters: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """Everything about a round but its rows.

    Args:
        round: Number of the round, from 0.
        key: Hash of all that decides the data: plan, seed, round, weights, pool and the round before.
        plan: Hash of the plan.
        recipe: The plan in words, as class paths and arguments.
        phase: Name of the phase.
        seed: Seed of the run.
        weights: Hash of the weights that made the data.
        pool: Hash of the pool's ids.
        previous: Key of the round before.
        pool_rows: Inputs in the pool.
        shards: The data; empty for an empty round.
        serves: The round whose data is served: this one, or an earlier one where this one is empty.
        ops: What every op did, in order.
        memory: State of ops that goes on to the next round, by op.
        metrics_before: The trainer's metrics when the round started.
        metrics: What was measured on the data.
        seconds: Time from the start to the commit.
        epoch: Epoch in front of which the round was made.
        global_step: Optimiser steps taken before the round.
        versions: Versions of the packages that made it.
        verdict: What guards said of it, and what followed.
        format: Version of this format.
    """

    round: int
    key: str
    plan: str
    recipe: Any
    phase: str
    seed: int
    weights: str
    pool: str
    previous: str | None
    pool_rows: int
    shards: list[Shard]
    serves: int | None
    ops: list[OpCount]
    memory: dict[str, Any]
    metrics_before: dict[str, float]
    metrics: dict[str, Any]
    seconds: float
    epoch: int
    global_step: int
    versions: dict[str, str]
    verdict: Verdict = field(default_factory=Verdict)
    format: int = FORMAT

    @property
    def rows(self) -> int:
        """Rows of data that this round made."""
        return sum(shard.rows for shard in self.shards)

    def to_dict(self) -> dict[str, Any]:
        """Return the manifest as primitives."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> "Manifest":
        """Read a manifest.

        Args:
            values: As written by :meth:`to_dict`.
            where: Path, for messages.

        Raises:
            StoreError: If a newer version wrote it, or something is missing.
        """
        found = values.get("format")
        if not isinstance(found, int) or found > FORMAT:
            raise StoreError(
                f"{where} has format {found}, but this version of lit-iterative reads up to {FORMAT}. "
                "Update lit-iterative (pip install -U lit-iterative) to open it."
            )
        values = {"verdict": Verdict().to_dict(), **values}  # older ones have none
        missing = {f.name for f in fields(cls)} - set(values)
        if missing:
            raise StoreError(
                f"{where} lacks {sorted(missing)}. Restore it, or delete the folder of this round to make it again."
            )
        known = {f.name: values[f.name] for f in fields(cls)}
        known["shards"] = [Shard(**shard) for shard in values["shards"]]
        known["ops"] = [OpCount(**op) for op in values["ops"]]
        known["verdict"] = Verdict.from_dict(values["verdict"])
        return cls(**known)
