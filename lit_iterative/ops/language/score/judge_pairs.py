"""JudgePairs: pairs as a judge sees them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep, read, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.comparing import Comparing
from lit_iterative.ops.language.tokens import lengths_of, texts_of
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.schedule import Schedule

SIDES = tuple((f"chosen{end}", f"rejected{end}") for end in ("", "_ids", "_score"))


@dataclass(frozen=True)
class JudgePairs(Comparing):
    """Lets a judge compare the completions of built pairs, in both orders.

    A pair whose rejected side it prefers is turned round, and a tie is dropped; orders that contradict each other are a
    tie. Everything named ``chosen...`` and ``rejected...`` changes sides together.

    Args:
        judge: Whom to ask: ``PolicyJudge()``, ``LocalJudge(path)`` or ``Endpoint(url, model)``.
        rubric: What to ask, about two completions.
        reading: ``text`` or ``probabilities``, see :class:`~lit_iterative.ops.language.score.verdicts.Judging`.
        judgements: Answers to each question, whose verdicts are averaged.
        sampling: How answers are drawn.
        tie: How far from 1/2 the preference must be to be none of a tie; by default any distance will do.
        turn: Whether a pair that is judged the other way is turned round, or dropped.
        keep_unjudged: Whether pairs of which the judge says nothing are kept as they are, or dropped.

    Requires ``prompt``, ``chosen``, ``rejected``, ``chosen_ids``, ``rejected_ids``, ``chosen_score`` and
    ``rejected_score``; overwrites all but the first, and provides ``preference`` ``(rows,)``, float64: how sure it is
    that the chosen one is better, 1/2 to 1; NaN where unjudged.

    Counts:
        ``pairs_turned``, ``pairs_opposed`` (dropped in place of turned), ``judge_ties``, ``judge_abstains``,
        ``order_contradictions`` (judgements); the mean ``first_place_wins``, 1/2 for a judge that favours no
        place; and what :class:`~lit_iterative.ops.language.score.judge.Judge` counts.

    Source: both orders, Zheng et al., 2023 (Judging LLM-as-a-Judge), arXiv:2306.05685, section 3.4.

    Example:
        >>> from lit_iterative.generation.endpoint import Endpoint
        >>> JudgePairs(Endpoint("http://localhost:8000/v1", "my-judge"), tie=0.1).provides[-1]
        'preference'
    """

    tie: float | Schedule = 0.0
    turn: bool = True
    keep_unjudged: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("JudgePairs(tie)", self.tie, 0, 0.5)

    @property
    def requires(self) -> tuple[str, ...]:
        """The pairs."""
        return ("prompt", *(name for side in SIDES for name in side))

    @property
    def provides(self) -> tuple[str, ...]:
        """The pairs, and how sure the judge is."""
        return (*self.requires[1:], "preference")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the pairs of one shard that the judge confirms or turns."""
        texts = [texts_of(table, name) for name in ("prompt", "chosen", "rejected")]
        _check(table)
        preference = self.preferences(list(zip(*texts, strict=True)), table, context)
        unjudged = np.isnan(preference)
        tied = np.abs(preference - 0.5) <= number(self.tie)
        opposed = ~tied & (preference < 0.5)
        count = context.tally.count
        count("judge_abstains", int(unjudged.sum()))
        count("judge_ties", int(tied.sum()))
        count("pairs_turned" if self.turn else "pairs_opposed", int(opposed.sum()))
        table = write(turned(table, opposed), preference=np.where(opposed, 1 - preference, preference))
        return keep(table, ~tied & (self.turn | ~opposed) & (self.keep_unjudged | ~unjudged))


def _check(table: pa.Table) -> None:
    """Refuse pairs that lack tokens or scores, and would go on without."""
    for name in ("chosen_ids", "rejected_ids"):
        lengths_of(table, name)
    for name in ("chosen_score", "rejected_score"):
        read(table, name)


def turned(table: pa.Table, mask: Array) -> pa.Table:
    """Return the pairs, those under the mask with chosen and rejected side exchanged.

    Example:
        >>> table = pa.table({"chosen": ["a", "b"], "rejected": ["c", "d"]})
        >>> turned(table, np.array([False, True])).to_pydict()
        {'chosen': ['a', 'd'], 'rejected': ['c', 'b']}
    """
    rows = np.arange(table.num_rows)
    for name in table.column_names:
        other = f"rejected{name.removeprefix('chosen')}"
        if name.startswith("chosen") and other in table.column_names:
            both = pa.concat_arrays(
                [*table.column(name).chunks, *table.column(other).cast(table.schema.field(name).type).chunks]
            )
            chosen, rejected = np.where(mask, rows + len(rows), rows), np.where(mask, rows, rows + len(rows))
            table = write(table, **{name: both.take(pa.array(chosen)), other: both.take(pa.array(rejected))})
    return table
