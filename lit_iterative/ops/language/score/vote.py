"""SelfConsistency: candidates of one prompt vote for their final answers."""

from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.answers.compare import Comparison, Numeric
from lit_iterative.columns import write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.contain import each
from lit_iterative.ops.language.tokens import spans, strings_of
from lit_iterative.ops.op import Op, Scope


@dataclass(frozen=True)
class SelfConsistency(Op):
    """The share of a prompt's candidates that give the same final answer, ``V(y) / k``.

    The vote of ScPO (Prasad et al., 2024, arXiv:2411.04109, section 2), ``V(y) = sum_m 1[ans(y_m) = ans(y)]``, over all
    ``k`` candidates, those without an answer included; such a candidate has no vote, so its share is 0.

    Requires ``group`` and ``final``; provides ``scores.vote`` float64 ``(rows,)`` in [0, 1]. Measures ``vote_share``,
    that of the most frequent answer; counts ``no_majority``, groups in which no answer has more than half of the votes,
    ``vote_ties``, groups in which several answers are the most frequent, and ``comparison_errors``.

    Args:
        comparison: Which answers vote together: those with the same ``canonical`` text.

    Raises:
        DataError: If rows of a group stand apart, a column is missing, or the comparison raises on every row of a
            shard, when run.

    Example:
        >>> from lit_iterative.ops.testing import show
        >>> from lit_iterative.pool import Pool
        >>> context = Context(Pool([0], 1))
        >>> table = pa.table({"id": [1] * 4, "group": [1] * 4, "final": ["0.5", "1/2", "3", None]})
        >>> show(SelfConsistency()(table, context), "scores.vote")
        [0.5, 0.5, 0.25, 0.0]
        >>> context.tally.values()
        {'comparison_errors': 0, 'no_majority': 1, 'vote_ties': 0, 'vote_share': 0.5}
    """

    comparison: Comparison = field(default_factory=Numeric)
    scope: ClassVar[Scope] = "group"

    @property
    def requires(self) -> tuple[str, ...]:
        """The groups and the answers."""
        return ("group", "final")

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.vote",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the score."""
        names = self._names(table, context)
        score = np.zeros(len(names), dtype=np.float64)
        shares, ties = [], 0
        for start, end in spans(table):
            votes = Counter(name for name in names[start:end] if name is not None)
            score[start:end] = [votes[name] / (end - start) if name is not None else 0.0 for name in names[start:end]]
            most = max(votes.values(), default=0)
            shares.append(most / (end - start))
            ties += list(votes.values()).count(most) > 1
        context.tally.count("no_majority", sum(share <= 0.5 for share in shares))
        context.tally.count("vote_ties", ties)
        context.tally.mean("vote_share", shares)
        return write(table, **{"scores.vote": score})

    def _names(self, table: pa.Table, context: Context) -> list[str | None]:
        """Return what each row votes for."""
        finals = strings_of(table, "final")
        voters = [row for row, final in enumerate(finals) if final is not None]
        names = each(voters, lambda row: self.comparison.canonical(finals[row] or ""), "comparison", table, context)
        named = dict(zip(voters, names, strict=True))
        return [named.get(row) for row in range(len(finals))]
