"""How good a policy is at k tries: pass@k and majority@k, without bias, from n tries."""

from collections.abc import Sequence
from fractions import Fraction
from math import comb

from lit_iterative.errors import DataError


def pass_at_k(n: int, c: int, k: int) -> float:
    """Return the chance that one of ``k`` tries is right: ``1 - C(n - c, k) / C(n, k)``.

    The unbiased estimate of Chen et al., 2021, arXiv:2107.03374, equation 1, from ``n`` tries of which ``c`` are
    right, in exact integers.

    Args:
        n: Tries made.
        c: Right ones among them.
        k: Tries allowed, at most ``n``.

    Raises:
        DataError: Unless ``0 <= c <= n`` and ``1 <= k <= n``.

    Example:
        >>> pass_at_k(n=4, c=1, k=2)
        0.5
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise DataError(f"pass@{k} of {n} tries with {c} right ones is not defined. Give 0 <= c <= n and 1 <= k <= n.")
    return 1 - comb(n - c, k) / comb(n, k)


def majority_at_k(counts: Sequence[int], right: int | None, k: int, silent: int = 0) -> float:
    """Return the chance that the most frequent answer of ``k`` tries is right; equally frequent ones share it.

    The exact mean over all ``C(n, k)`` ways to draw ``k`` of the ``n`` tries that were made. Tries without an answer do
    not vote; where none of the ``k`` has an answer, it is not right.

    Args:
        counts: How many tries gave each answer.
        right: Position of the right answer; nothing where nobody gave it.
        k: Tries drawn, from 1 to ``sum(counts) + silent``.
        silent: Tries without an answer.

    Raises:
        DataError: If a count is negative, ``k`` is out of range, or ``right`` is no position.

    Example:
        >>> majority_at_k([3, 2], right=0, k=5), majority_at_k([2, 2], right=1, k=4)
        (1.0, 0.5)
    """
    n = sum(counts) + silent
    if min([silent, *counts], default=0) < 0 or not 1 <= k <= n or not (right is None or 0 <= right < len(counts)):
        raise DataError(
            f"majority@{k} of the counts {list(counts)}, {silent} without an answer and the right one at {right} is "
            "not defined. Give counts from 0 on, a position in them, and k from 1 to their sum."
        )
    if right is None:
        return 0.0
    others = [count for position, count in enumerate(counts) if position != right]
    own = counts[right]
    won = sum((comb(own, m) * _won(others, silent, m, k - m) for m in range(1, min(own, k) + 1)), Fraction(0))
    return float(won / comb(n, k))


def _won(others: Sequence[int], silent: int, m: int, drawn: int) -> Fraction:
    """Return in how many ways other tries are drawn so that ``m`` votes win, a tie of ``t`` counted as ``1 / t``."""
    ways = {(0, 0): 1}  # (tries drawn, answers with m votes as well) -> number of ways
    for count in others:
        after: dict[tuple[int, int], int] = {}
        for (taken, ties), number in ways.items():
            for votes in range(min(count, m, drawn - taken) + 1):
                state = taken + votes, ties + (votes == m)
                after[state] = after.get(state, 0) + number * comb(count, votes)
        ways = after
    shares = (Fraction(number * comb(silent, drawn - taken), ties + 1) for (taken, ties), number in ways.items())
    return sum(shares, Fraction(0))
