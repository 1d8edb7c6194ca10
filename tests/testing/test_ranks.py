"""Ranks that are threads."""

import threading

import pytest

from lit_iterative.ops.context import Ranks
from lit_iterative.testing import run_ranks


def test_every_rank_gets_its_own_copy_of_a_value() -> None:
    def work(ranks: Ranks) -> list[int]:
        value = ranks.broadcast([ranks.rank, 7])
        value.append(ranks.rank)
        ranks.barrier()
        return value

    assert run_ranks(3, work) == [[0, 7, 0], [0, 7, 1], [0, 7, 2]]


def test_max() -> None:
    assert run_ranks(3, lambda ranks: ranks.max(10 - ranks.rank)) == [10, 10, 10]


def test_the_error_of_a_rank_is_raised_and_the_others_do_not_wait() -> None:
    def work(ranks: Ranks) -> None:
        if ranks.rank == 1:
            raise KeyError("mine")
        ranks.barrier()

    with pytest.raises(KeyError, match="mine"):
        run_ranks(2, work)


def test_ranks_that_go_different_ways_are_found() -> None:
    def work(ranks: Ranks) -> None:
        if ranks.rank == 0:
            ranks.barrier()

    with pytest.raises(threading.BrokenBarrierError):
        run_ranks(2, work, timeout=0.2)
