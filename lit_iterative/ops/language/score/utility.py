"""Utilities: how alike two texts are, from 0 to 1, and the score of the candidate that is most like the others."""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import spans, strings_of
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_choice

Utility = Literal["exact", "token_f1", "rouge_l", "chrf"]
WORD = re.compile(r"\w+|[^\w\s]")
CHRF_ORDER, CHRF_BETA = 6, 2.0


@dataclass(frozen=True)
class MBRUtility(Op):
    """The mean utility of a candidate, with the other candidates of its prompt as references.

    Minimum Bayes risk decoding takes the candidate for which it is largest: ``mean_j u(y_i, y_j)`` over ``j != i``
    (Eikema and Aziz, 2020, arXiv:2005.10283).

    Args:
        utility: ``exact`` (equal or not), ``token_f1`` (words in common), ``rouge_l`` (longest common subsequence of
            words), ``chrf`` (n-grams of characters in common).
        column: The texts that are compared: ``text``, or ``final`` for answers. A row with an empty cell abstains, and
            is no reference.
        score: Name of the score.

    Requires ``group`` and the column; provides ``scores.<score>`` ``(rows,)``, float64 in [0, 1]; NaN where it abstains
    or there is nothing to compare with. Counts ``abstained``.

    Raises:
        PipelineError: If the utility is another.
        DataError: If the column holds no texts, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["it is 4", "it is 4", "no 5"])
        >>> MBRUtility()(table, Context(Pool([0], 1)))["scores.mbr"].to_pylist()
        [0.5, 0.5, 0.0]
    """

    utility: Utility = "rouge_l"
    column: str = "text"
    score: str = "mbr"
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        check_choice("MBRUtility(utility)", self.utility, get_args(Utility))

    @property
    def requires(self) -> tuple[str, ...]:
        """The groups and their texts."""
        return ("group", self.column)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return (f"scores.{self.score}",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        texts, score = strings_of(table, self.column), np.full(table.num_rows, np.nan)
        for start, end in spans(table):
            rows = [row for row in range(start, end) if texts[row] is not None]
            if len(rows) > 1:
                score[rows] = mean_utility([texts[row] or "" for row in rows], UTILITIES[self.utility])
        context.tally.count("abstained", int(np.isnan(score).sum()))
        return write(table, **{f"scores.{self.score}": score})


def mean_utility(texts: Sequence[str], utility: Callable[[str, str], float]) -> Array:
    """Return the mean utility of every text against the others, ``(texts,)``; equal texts are compared once.

    Args:
        texts: Two or more.
        utility: Of a text, given a reference.

    Example:
        >>> mean_utility(["a", "a", "b"], exact)
        array([0.5, 0.5, 0. ])
    """
    times = Counter(texts)

    def mean(text: str) -> float:
        others = times - Counter([text])
        return sum(number * utility(text, other) for other, number in others.items()) / others.total()

    known = {text: mean(text) for text in times}
    return np.array([known[text] for text in texts])


def exact(text: str, reference: str) -> float:
    """Return 1 for texts that are equal but for space around them, else 0.

    Example:
        >>> exact("4", " 4"), exact("4", "5")
        (1.0, 0.0)
    """
    return float(text.strip() == reference.strip())


def token_f1(text: str, reference: str) -> float:
    """Return the F1 of words in common, as multisets (Rajpurkar et al., 2016, arXiv:1606.05250).

    Words are runs of letters and digits, and every other sign but space by itself; none is left out or rewritten.

    Example:
        >>> token_f1("it is 4", "4")
        0.5
    """
    left, right = Counter(WORD.findall(text)), Counter(WORD.findall(reference))
    return f1((left & right).total(), left.total(), right.total())


def rouge_l(text: str, reference: str) -> float:
    """Return the F1 of the longest common subsequence of words (ROUGE-L; Lin, 2004, section 3.1, with beta 1).

    Example:
        >>> round(rouge_l("a b c", "a c"), 4)
        0.8
    """
    left, right = WORD.findall(text), WORD.findall(reference)
    return f1(common_subsequence(left, right), len(left), len(right))


def f1(common: int, left: int, right: int) -> float:
    """Return the harmonic mean of ``common / left`` and ``common / right``; 1 where both sides are empty.

    Example:
        >>> f1(1, 1, 3), f1(0, 0, 0), f1(0, 0, 2)
        (0.5, 1.0, 0.0)
    """
    return 2 * common / (left + right) if left + right else 1.0


def common_subsequence(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """Return the length of the longest common subsequence.

    Every bit of a long integer is a place on the left, so that a step on the right is a few operations on integers
    (Hyyrö, 2004, "Bit-parallel LCS-length computation revisited").

    Example:
        >>> common_subsequence("abcb", "bcab")
        3
    """
    places: dict[Hashable, int] = {}
    for place, item in enumerate(left):
        places[item] = places.get(item, 0) | 1 << place
    every = (1 << len(left)) - 1
    unmatched = every
    for item in right:
        hits = unmatched & places.get(item, 0)
        unmatched = (unmatched + hits | unmatched - hits) & every
    return len(left) - unmatched.bit_count()


def chrf(text: str, reference: str) -> float:
    """Return chrF2: the F-score of n-grams of characters in common, recall counting twice (Popović, 2015, equation 1).

    Precision and recall are means over n-grams of 1 to 6 characters without spaces, of lengths that both texts have.

    Example:
        >>> chrf("ab", "ab"), chrf("ab", "cd"), round(chrf("ab", "abc"), 4)
        (1.0, 0.0, 0.6364)
    """
    left, right = character_grams(text), character_grams(reference)
    orders = [(ours, theirs) for ours, theirs in zip(left, right, strict=True) if ours and theirs]
    if not orders:
        return float(left == right)
    common = [sum(min(ours[gram], theirs[gram]) for gram in ours.keys() & theirs.keys()) for ours, theirs in orders]
    precision = np.mean([both / ours.total() for both, (ours, _) in zip(common, orders, strict=True)])
    recall = np.mean([both / theirs.total() for both, (_, theirs) in zip(common, orders, strict=True)])
    square = CHRF_BETA**2
    mass = square * precision + recall
    return float((1 + square) * precision * recall / mass) if mass else 0.0


@lru_cache(maxsize=64)  # the candidates of a prompt are compared with one another
def character_grams(text: str) -> list[Counter[str]]:
    """Return how often each n-gram of characters without spaces occurs, for every length from 1 to 6.

    Example:
        >>> character_grams("a ba")[:3]
        [Counter({'a': 2, 'b': 1}), Counter({'ab': 1, 'ba': 1}), Counter({'aba': 1})]
    """
    plain = "".join(text.split())
    return [Counter(plain[place : place + n] for place in range(len(plain) - n + 1)) for n in range(1, CHRF_ORDER + 1)]


UTILITIES: dict[str, Callable[[str, str], float]] = {
    "exact": exact,
    "token_f1": token_f1,
    "rouge_l": rouge_l,
    "chrf": chrf,
}
