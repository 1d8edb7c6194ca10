"""DiverseCandidates: of the right candidates and of the wrong ones, few that differ."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import scores_of
from lit_iterative.ops.language.score.novelty import Gram, grams
from lit_iterative.ops.language.tokens import ids_of, spans
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range, number, whole
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class DiverseCandidates(Op):
    """Keeps, of a prompt's right candidates and of its wrong ones, those that differ most from each other.

    The distance of two completions is one minus the share of their n-grams of tokens that both have (Jaccard). Those
    that are far from all others go first, as outliers: whose mean distance to the others is more than so many standard
    deviations above the mean of these. Then the most typical one is taken, whose mean distance is smallest, and after
    it always the one that is farthest from those taken; of equals the first.

    After DIVE (Qin et al., 2025), which selects greedily for diversity, among right and wrong completions alike, from a
    pool without outliers.

    Args:
        k: Right ones, and wrong ones, of a prompt at most.
        score: The score.
        threshold: Scores from here on are right.
        n: Tokens of an n-gram; a shorter completion is one as a whole.
        outliers: Standard deviations beyond which a candidate is an outlier; looked for among five or more.

    Requires ``group``, ``completion_ids`` and the score. Counts ``abstained``, ``outliers`` and ``too_alike`` (rows);
    measures ``distance``, the mean over pairs of kept candidates of a prompt that are alike right or wrong.

    Raises:
        PipelineError: If a parameter is out of its range.
        DataError: If a score is infinite, or rows of a group stand apart, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> table = candidates(["1+2=3", "1+2=3!", "so 3", "4"], **{"scores.correct": [1, 1, 1, 0]})
        >>> DiverseCandidates(2, n=2)(table, Context(Pool([0], 1)))["text"].to_pylist()
        ['1+2=3', 'so 3', '4']
    """

    k: int | Schedule = 4
    score: str = "scores.correct"
    threshold: float | Schedule = 0.5
    n: int = 3
    outliers: float = 2.0
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        check_range("DiverseCandidates(k)", self.k, 1)
        check_range("DiverseCandidates(n)", self.n, 1)
        check_range("DiverseCandidates(outliers)", self.outliers, 0, open_low=True)

    @property
    def requires(self) -> tuple[str, ...]:
        """The candidates and their score."""
        return ("group", "completion_ids", self.score)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the candidates that differ, in the order of the table."""
        score, known = scores_of(table, self.score), [grams(ids, self.n) for ids in ids_of(table, "completion_ids")]
        right, kept, apart = score >= number(self.threshold), np.zeros(table.num_rows, dtype=bool), []
        counts = {"outliers": 0, "too_alike": 0}
        for start, end in spans(table):
            for side in (right, ~right & ~np.isnan(score)):
                rows = start + np.flatnonzero(side[start:end])
                between = distances([known[row] for row in rows])
                inside = ~outlying(between, self.outliers)
                taken = rows[inside][spread(between[inside][:, inside], whole(self.k))]
                kept[taken] = True
                counts["outliers"] += int((~inside).sum())
                counts["too_alike"] += int(inside.sum()) - len(taken)
                chosen = between[np.ix_(np.isin(rows, taken), np.isin(rows, taken))]
                apart.append(chosen[np.triu_indices(len(chosen), 1)])
        context.tally.count("abstained", int(np.isnan(score).sum()))
        for name, count in counts.items():
            context.tally.count(name, count)
        context.tally.mean("distance", np.concatenate([np.zeros(0), *apart]))
        return keep(table, kept)


def distances(sets: list[set[Gram]]) -> Array:
    """Return one minus the share of common items, for every two of some sets, ``(sets, sets)``.

    Example:
        >>> distances([{(1,), (2,)}, {(2,), (3,)}]).round(3).tolist()
        [[0.0, 0.667], [0.667, 0.0]]
    """
    between = np.zeros((len(sets), len(sets)))
    for row, left in enumerate(sets):
        for other, right in enumerate(sets[:row]):
            between[row, other] = between[other, row] = 1 - len(left & right) / max(1, len(left | right))
    return between


def outlying(between: Array, deviations: float) -> Array:
    """Return which of some things are far from all others, ``(things,)``; none of fewer than five.

    Args:
        between: Their distances, ``(things, things)``.
        deviations: Standard deviations of the mean distance, above its mean, from which on they are.
    """
    if len(between) < 5:
        return np.zeros(len(between), dtype=bool)
    mean = between.sum(axis=1) / (len(between) - 1)
    return np.asarray(mean > mean.mean() + deviations * mean.std() + 1e-12)


def spread(between: Array, k: int) -> Array:
    """Return the places of ``k`` things, the most typical first, then always the farthest from those before it.

    Args:
        between: Their distances, ``(things, things)``.
        k: How many; all where there are fewer.

    Example:
        >>> spread(np.abs(np.subtract.outer([0.0, 4.0, 5.0, 9.0], [0.0, 4.0, 5.0, 9.0])), k=3)
        array([1, 3, 0])
    """
    taken: list[int] = []
    nearest = np.full(len(between), np.inf)
    while len(taken) < min(k, len(between)):
        here = int(nearest.argmax()) if taken else int(between.sum(axis=1).argmin())
        taken.append(here)
        nearest = np.minimum(nearest, between[here])
        nearest[taken] = -1.0
    return np.array(taken, dtype=np.int64)
