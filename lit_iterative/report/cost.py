"""What a round cost: seconds, rows and tokens of each stage of the executor."""

from collections.abc import Iterable
from dataclasses import dataclass

from lit_iterative.rounds.manifest import Manifest, OpCount


@dataclass(frozen=True)
class Cost:
    """Ops that ran together, on the same shards.

    Args:
        ops: Their names.
        seconds: Time spent in them.
        rows: Rows that they left.
        tokens: Tokens of completions that were sampled; none where nothing was.
    """

    ops: list[str]
    seconds: float
    rows: int
    tokens: int | None

    @property
    def rows_per_second(self) -> float | None:
        """How fast they were."""
        return self.rows / self.seconds if self.seconds > 0 else None


def costs(manifest: Manifest) -> list[Cost]:
    """Return what every stage cost; the executor shares the time of a stage equally among its ops.

    Example:
        >>> from types import SimpleNamespace
        >>> ops = [OpCount("Sample", 4, 8, 1.5), OpCount("Verify", 8, 8, 1.5), OpCount("Merge", 8, 8, 0.25)]
        >>> [(cost.ops, cost.seconds) for cost in costs(SimpleNamespace(ops=ops))]
        [(['Sample', 'Verify'], 3.0), (['Merge'], 0.25)]
    """
    groups: list[list[OpCount]] = []
    for op in manifest.ops:
        if groups and groups[-1][-1].seconds == op.seconds:
            groups[-1].append(op)
        else:
            groups.append([op])
    return [
        Cost([op.name for op in ops], sum(op.seconds for op in ops), ops[-1].rows_out, tokens_of(ops)) for ops in groups
    ]


def tokens_of(ops: Iterable[OpCount]) -> int | None:
    """Return how many tokens ops have sampled, from their number of candidates and their mean length."""
    known = [op.measured for op in ops if {"candidates", "completion_tokens"} <= set(op.measured)]
    return sum(round(seen["candidates"] * seen["completion_tokens"]) for seen in known) if known else None
