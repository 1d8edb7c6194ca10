"""Several ranks in one process: threads that meet in memory."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any, TypeVar

from lit_iterative.ops.context import OneRank, Ranks

T = TypeVar("T")


class ThreadRanks:
    """One of several threads that share the work of a round.

    Args:
        rank: Number of this one.
        world_size: How many there are.
        barrier: Where all of them meet.
        slots: A place for a value of each.
    """

    def __init__(self, rank: int, world_size: int, barrier: threading.Barrier, slots: list[Any]) -> None:
        self.rank = rank
        self.world_size = world_size
        self._barrier = barrier
        self._slots = slots

    def barrier(self) -> None:
        """Wait until every rank is here."""
        self._barrier.wait()

    def broadcast(self, value: Any) -> Any:
        """Return a copy of rank 0's value on every rank."""
        return self._exchange(value)[0]

    def max(self, value: int) -> int:
        """Return the largest value of all ranks."""
        return max(int(other) for other in self._exchange(value))

    def _exchange(self, value: Any) -> list[Any]:
        self._slots[self.rank] = value
        self._barrier.wait()
        values = list(self._slots) if self.rank == 0 else deepcopy(self._slots)
        self._barrier.wait()
        return values


def run_ranks(world_size: int, work: Callable[[Ranks], T], timeout: float = 60.0) -> list[T]:
    """Do some work on every rank at once and return what each rank returns.

    Args:
        world_size: Number of ranks.
        work: Called with the ranks as each sees them.
        timeout: Seconds after which ranks that wait for one that never comes give up.

    Raises:
        threading.BrokenBarrierError: If a rank waited in vain, which means that ranks went different ways.

    Example:
        >>> run_ranks(2, lambda ranks: ranks.max(ranks.rank))
        [1, 1]
    """
    if world_size == 1:
        return [work(OneRank())]
    barrier, slots = threading.Barrier(world_size, timeout=timeout), [None] * world_size

    def one(rank: int) -> T:
        finished = False
        try:
            result = work(ThreadRanks(rank, world_size, barrier, slots))
            finished = True
            return result
        finally:
            if not finished:
                barrier.abort()  # so that the others do not wait for a rank that has failed

    with ThreadPoolExecutor(world_size) as threads:
        futures = [threads.submit(one, rank) for rank in range(world_size)]
    errors = [future.exception() for future in futures]
    causes = [error for error in errors if error is not None]
    for error in sorted(causes, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return [future.result() for future in futures]
