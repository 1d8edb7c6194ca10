"""How good a policy is at k tries: pass@k and majority@k, without bias, from n tries."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import comb

from lit_iterative.answers.compare import Comparison
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


def majority_at_k(found: Sequence[str | None], key: str, comparison: Comparison, k: int | None = None) -> float:
    """Return the chance that the most frequent answer of ``k`` tries is right; see :func:`majority_of_counts`.

    Args:
        found: What each try answers; nothing where it has no answer.
        key: The right answer.
        comparison: Tells which answers vote together, and which are right.
        k: Tries drawn; all of them when left out.

    Returns:
        NaN where there are answers and the comparison can judge none of them.

    Raises:
        DataError: If there are no tries, or ``k`` is out of range.

    Example:
        >>> from lit_iterative.answers import Numeric
        >>> majority_at_k(["0.5", "1/2", "2", None], "50%", Numeric())
        1.0
    """
    votes = Counter(comparison.canonical(answer) for answer in found if answer is not None)
    spoken = {comparison.canonical(answer): answer for answer in found if answer is not None}
    judged = [comparison(spoken[name], key) for name in votes]
    if judged and all(verdict is None for verdict in judged):
        return float("nan")
    silent = len(found) - votes.total()
    return majority_of_counts([*votes.values()], [*map(bool, judged)], len(found) if k is None else k, silent)


def majority_of_counts(counts: Sequence[int], right: Sequence[bool], k: int, silent: int = 0) -> float:
    """Return the chance that the most frequent answer of ``k`` tries is right; equally frequent ones share it.

    The exact mean over all ``C(n, k)`` ways to draw ``k`` of the ``n`` tries that were made. Tries without an answer do
    not vote; where none of the ``k`` has an answer, it is not right.

    Args:
        counts: How many tries gave each answer.
        right: Whether each answer is right.
        k: Tries drawn, from 1 to ``sum(counts) + silent``.
        silent: Tries without an answer.

    Raises:
        DataError: If a count is negative, ``k`` is out of range, or there are not as many verdicts as counts.

    Example:
        >>> majority_of_counts([3, 2], [True, False], k=5), majority_of_counts([2, 2], [False, True], k=4)
        (1.0, 0.5)
    """
    n = sum(counts) + silent
    if min([silent, *counts]) < 0 or not 1 <= k <= n or len(right) != len(counts):
        raise DataError(
            f"majority@{k} of the counts {list(counts)}, {silent} without an answer, with the verdicts {list(right)} "
            "is not defined. Give counts from 0 on, a verdict for each, and k from 1 to the sum of all."
        )
    most = range(1, min(max(counts, default=0), k) + 1)
    won = sum((_won_with(votes, counts, right, k, silent) for votes in most), Fraction(0))
    return float(won / comb(n, k))


def _won_with(most: int, counts: Sequence[int], right: Sequence[bool], k: int, silent: int) -> Fraction:
    """Return in how many of the ways to draw ``k`` tries a right answer wins with so many votes, ties shared."""
    ways = {(0, 0, 0): 1}  # (tries drawn, answers with most votes, right ones of them) -> number of ways
    for count, is_right in zip(counts, right, strict=True):
        after: Counter[tuple[int, int, int]] = Counter()
        for (drawn, first, good), number in ways.items():
            for votes in range(min(count, most, k - drawn) + 1):
                wins = int(votes == most)
                after[drawn + votes, first + wins, good + wins * is_right] += number * comb(count, votes)
        ways = after
    shares = (
        Fraction(number * comb(silent, k - drawn) * good, first)
        for (drawn, first, good), number in ways.items()
        if first
    )
    return sum(shares, Fraction(0))
