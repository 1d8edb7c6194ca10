"""Novelty and diversity of completions, counted in n-grams of tokens."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import ids_of, spans
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range
from lit_iterative.sequences import Tokens

Gram = tuple[int, ...]
#: Columns of token ids that the data of a round may have.
KEPT = ("completion_ids", "chosen_ids", "rejected_ids")


@dataclass(frozen=True)
class Novelty(Op):
    """The share of a completion's distinct n-grams of tokens that no other completion of the prompt has.

    Args:
        n: Tokens of an n-gram; a shorter completion is one n-gram as a whole.
        earlier: Whether completions that the prompt has in the data of the round before count as others too.

    Requires ``group`` and ``completion_ids``; provides ``scores.novelty`` ``(rows,)``, float64 in [0, 1]: 1 where there
    is no other.

    Raises:
        PipelineError: If ``n`` is below 1.
        DataError: If rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> Novelty(n=1)(candidates(["ab", "ac"]), Context(Pool([0], 1)))["scores.novelty"].to_numpy().round(4)
        array([0.3333, 0.3333])
    """

    n: int = 3
    earlier: bool = False
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        check_range("Novelty(n)", self.n, 1)

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates."""
        return ("group", "completion_ids")

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.novelty",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        return self._scored(table, self._known(context))

    def map(self, shards: Iterable[pa.Table], context: Context) -> Iterator[pa.Table]:
        """Score every shard; the round before is read once."""
        known = self._known(context)
        for shard in shards:
            yield self._scored(shard, known)

    def _known(self, context: Context) -> dict[object, list[Tokens]]:
        """Return the completions of the round before, by id."""
        known: dict[object, list[Tokens]] = {}
        if not self.earlier or context.previous is None:
            return known
        before = context.previous.table()
        for name in set(KEPT) & set(before.column_names):
            for key, ids in zip(read(before, "id").tolist(), ids_of(before, name), strict=True):
                known.setdefault(key, []).append(ids)
        return known

    def _scored(self, table: pa.Table, known: dict[object, list[Tokens]]) -> pa.Table:
        ids, completions = read(table, "id").tolist(), ids_of(table, "completion_ids")
        score = np.zeros(table.num_rows)
        for start, end in spans(table):
            own = [grams(completion, self.n) for completion in completions[start:end]]
            seen = {gram for completion in known.get(ids[start], []) for gram in grams(completion, self.n)}
            times = Counter(gram for some in own for gram in some)
            for row, some in enumerate(own, start):
                score[row] = sum(times[gram] == 1 and gram not in seen for gram in some) / len(some)
        return write(table, **{"scores.novelty": score})


@dataclass(frozen=True)
class DistinctN(Op):
    """Measures how much the completions of a prompt differ; changes no row.

    ``distinct-n`` is the number of distinct n-grams as a share of all n-grams in the completions of a prompt, and then
    the mean over prompts. (Li et al., 2016, arXiv:1510.03055, divide by the number of words, over all outputs.)

    Args:
        ns: The lengths of n-grams; each at least 1.

    Requires ``group`` and ``completion_ids``. Measures ``distinct_<n>`` for every length; prompts without n-grams of
    that length do not count.

    Raises:
        PipelineError: If there is no length, or one is below 1.
        DataError: If rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> context = Context(Pool([0], 1))
        >>> _ = DistinctN([1])(candidates(["ab", "ab~"]), context)
        >>> context.tally.values()
        {'distinct_1': 0.6}
    """

    ns: list[int] = field(default_factory=lambda: [1, 2])
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        if not self.ns or min(self.ns) < 1:
            raise PipelineError(f"DistinctN(ns) is {self.ns}. Give lengths of 1 or more, for example [1, 2].")

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates."""
        return ("group", "completion_ids")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table as it is."""
        completions = ids_of(table, "completion_ids")
        for n in self.ns:
            shares = [distinct(completions[start:end], n) for start, end in spans(table)]
            context.tally.mean(f"distinct_{n}", shares)
        return table


def grams(ids: Tokens, n: int) -> set[Gram]:
    """Return the distinct n-grams of a completion; one shorter than ``n`` is one as a whole.

    Example:
        >>> sorted(grams([1, 2, 1, 2], 2)), grams([1], 2)
        ([(1, 2), (2, 1)], {(1,)})
    """
    return {tuple(ids[place : place + n]) for place in range(max(1, len(ids) - n + 1))}


def distinct(completions: Iterable[Tokens], n: int) -> float:
    """Return the distinct n-grams of several completions as a share of all; NaN where there are none.

    Example:
        >>> distinct([[1, 2], [1, 3]], 1)
        0.75
    """
    found = [tuple(ids[place : place + n]) for ids in completions for place in range(len(ids) - n + 1)]
    return len(set(found)) / len(found) if found else float("nan")
