"""The plan: what every round does, and when a round is due."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

from lit_iterative.errors import PipelineError
from lit_iterative.ops.merge import Merge, Replace
from lit_iterative.ops.op import Op, check, spec, waits
from lit_iterative.ops.remember import Remember
from lit_iterative.rounds.sync import Continue, WeightPolicy


@dataclass(frozen=True)
class Phase:
    """Rounds that are made alike.

    Args:
        ops: The pipeline that makes the data.
        merge: How new rows join those of the round before.
        weights: Where the weights stand when training on the new data begins.
        optimizer: Whether the optimiser keeps its state or starts anew.
        schedule: Whether learning-rate schedules go on or start anew.
        rounds: Rounds in this phase; without end when left out, which only the last phase may be.
        name: Name in logs.

    Raises:
        PipelineError: If the ops do not fit together.
    """

    ops: list[Op]
    merge: Merge = field(default_factory=Replace)
    weights: WeightPolicy = field(default_factory=Continue)
    optimizer: Literal["keep", "reset"] = "keep"
    schedule: Literal["keep", "rewarm"] = "keep"
    rounds: int | None = None
    name: str = "main"

    def __post_init__(self) -> None:
        columns = check(list(self.ops))
        if self.rounds is not None and self.rounds < 1:
            raise PipelineError(f"Phase {self.name!r} has {self.rounds} rounds. Give at least 1, or leave it out.")
        if waits([self.ops[0], self.merge]):
            raise PipelineError(
                f"In phase {self.name!r} the first op or the merge follows a SameRound schedule. That is for ops which "
                "come behind one that measures; give it to one of them, or give the schedule inside it."
            )
        for column in self.merge.requires:
            if column not in columns:
                raise PipelineError(
                    f"{type(self.merge).__name__} needs the column {column!r}, but the ops provide only "
                    f"{list(columns)}. Put an op that provides {column!r} into the pipeline."
                )


@dataclass(frozen=True)
class Plan:
    """The phases of a run and what else decides its data.

    Args:
        phases: In order; at least one.
        seed: Seed of all draws.
        shard_size: Rows of the unit of work.
        repeat: So many of the last phases come again and again, in turn; else the last one goes on.

    Raises:
        PipelineError: If there is no phase, one without end is followed by another, or shards are empty.
    """

    phases: list[Phase]
    seed: int = 0
    shard_size: int = 8192
    repeat: int = 0

    def __post_init__(self) -> None:
        if not self.phases:
            raise PipelineError("The plan has no phases. Give ops for one, or a list of phases.")
        if not 0 <= self.repeat <= len(self.phases):
            raise PipelineError(
                f"repeat is {self.repeat}, but there are {len(self.phases)} phases. Repeat some or all."
            )
        for phase in self.phases[: len(self.phases) if self.repeat else -1]:
            if phase.rounds is None:
                raise PipelineError(
                    f"Phase {phase.name!r} has no end, so the phases after it never come. Give it rounds: N."
                )
        ops = [op for phase in self.phases for op in phase.ops]
        kept = {column for op in ops if isinstance(op, Remember) for column in op.columns}
        for op in ops:
            for column in sorted(set(op.recalls) - kept):
                raise PipelineError(
                    f"{op.name} looks up {column!r} of earlier rounds, but nothing keeps it, so that every input "
                    f"would be new to it in every round. Put Remember([{column!r}]) behind the op that provides it."
                )
        if self.shard_size < 1:
            raise PipelineError(f"shard_size is {self.shard_size}; a shard needs at least 1 row.")

    @property
    def rounds(self) -> int | None:
        """Rounds in all phases together, or none where they have no end."""
        last = self.phases[-1].rounds
        return None if last is None or self.repeat else sum(phase.rounds or 0 for phase in self.phases)

    def phase(self, round: int) -> Phase:
        """Return the phase that a round belongs to."""
        again = self.phases[len(self.phases) - self.repeat :]
        once = sum(phase.rounds or 0 for phase in self.phases)
        if again and round >= once:
            round = once + (round - once) % sum(phase.rounds or 0 for phase in again)
        for phase in [*self.phases, *again]:
            if phase.rounds is None or round < phase.rounds:
                return phase
            round -= phase.rounds
        return self.phases[-1]

    def describe(self) -> Any:
        """Return the plan in primitives."""
        return spec(self)

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides the data."""
        return sha256(json.dumps(self.describe(), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class When:
    """When a round is due; asked at the start of every epoch.

    A round is as long as the epochs between two refreshes. For rounds shorter than a pass over the data
    set ``Trainer(limit_train_batches=...)``.

    Args:
        every_n_epochs: Epochs of training on the data of one round.
        warmup_epochs: Epochs before the first round, on labelled data alone.
        max_rounds: Rounds in all; without limit when left out.
        plateau: A metric; a round that is due waits until it has stopped improving.
        mode: Whether the metric is to be small or large.
        patience: Epochs without improvement that count as a plateau.
        min_delta: What counts as an improvement.

    Raises:
        PipelineError: If a number makes no sense.
    """

    every_n_epochs: int = 1
    warmup_epochs: int = 0
    max_rounds: int | None = None
    plateau: str | None = None
    mode: Literal["min", "max"] = "min"
    patience: int = 2
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        lowest = {"every_n_epochs": 1, "warmup_epochs": 0, "patience": 1, "max_rounds": 0}
        for name, low in lowest.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise PipelineError(f"{name} is {value}; it must be at least {low}.")

    def due(self, epoch: int, last: int | None, rounds: int, waited: int) -> bool:
        """Tell whether a round is due in front of an epoch.

        Args:
            epoch: The epoch that is about to begin, from 0.
            last: The epoch in front of which the last round was made.
            rounds: Rounds made.
            waited: Epochs for which the metric has not improved.
        """
        if self.max_rounds is not None and rounds >= self.max_rounds:
            return False
        if epoch < self.warmup_epochs:
            return False
        if last is not None and epoch - last < self.every_n_epochs:
            return False
        return self.plateau is None or waited >= self.patience


@dataclass
class Plateau:
    """Counts the epochs for which a metric has not improved.

    Args:
        best: The best value.
        waited: Epochs since then.
    """

    best: float | None = None
    waited: int = 0

    def update(self, when: When, metrics: Mapping[str, float]) -> None:
        """Take in the metrics at the end of an epoch.

        Raises:
            PipelineError: If the metric is not among them.
        """
        if when.plateau is None:
            return
        if when.plateau not in metrics:
            raise PipelineError(
                f"A round waits for {when.plateau!r} to stop improving, but the trainer knows {sorted(metrics)}. "
                "Log it in validation_step."
            )
        value = metrics[when.plateau]
        gain = 0.0 if self.best is None else (value - self.best) * (1 if when.mode == "max" else -1)
        if self.best is None or gain > when.min_delta:
            self.best, self.waited = value, 0
        else:
            self.waited += 1
