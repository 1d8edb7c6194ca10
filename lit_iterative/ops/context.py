"""What an op may know of the round it runs in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from lit_iterative.errors import SetupError
from lit_iterative.generation.forward import ForwardPass
from lit_iterative.ops.tally import Tally
from lit_iterative.pool import Pool


class Ranks(Protocol):
    """The processes that share the work of a round."""

    rank: int
    world_size: int

    def barrier(self) -> None:
        """Wait until every rank is here."""

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's value on every rank."""

    def max(self, value: int) -> int:
        """Return the largest value of all ranks."""


class OneRank:
    """The only process there is."""

    rank = 0
    world_size = 1

    def barrier(self) -> None:
        """Nobody to wait for."""

    def broadcast(self, value: Any) -> Any:
        """Return the value."""
        return value

    def max(self, value: int) -> int:
        """Return the value."""
        return value


class History(Protocol):
    """The data of an earlier round."""

    @property
    def round(self) -> int:
        """Its number."""

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """Return its rows, all columns or some."""


@dataclass(frozen=True)
class Context:
    """The round, seen from an op.

    Args:
        pool: The inputs.
        round: Rounds made before this one.
        place: Those of them that it builds on; what schedules count.
        seed: Seed of the run.
        metrics: The trainer's metrics when the round started.
        factors: By which guards have changed parameters.
        ranks: The processes at work.
        forward: Runs the model; absent where no op needs one.
        previous: Data of the round before, if there was one.
        memory: State of this op, kept from round to round: primitives, lists and dictionaries of them. An
            op of scope ``global`` may change it; it is saved with the round.
        ledger: Columns kept for every input across rounds, by op :class:`~lit_iterative.ops.Remember`.
        progress: Called with the rows done and the rows in all.
        tally: What the op counts and measures on the side.
    """

    pool: Pool
    round: int = 0
    place: int = 0
    seed: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    ranks: Ranks = field(default_factory=OneRank)
    forward: ForwardPass | None = None
    previous: History | None = None
    memory: dict[str, Any] = field(default_factory=dict)
    ledger: pa.Table | None = None
    progress: Callable[[int, int], None] | None = None
    tally: Tally = field(default_factory=Tally)

    def model(self) -> ForwardPass:
        """Return the forward pass.

        Raises:
            SetupError: If there is no model.
        """
        if self.forward is None:
            raise SetupError("This op runs the model, but the context has none. Run it from a callback in trainer.fit.")
        return self.forward
