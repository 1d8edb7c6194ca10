"""Revisions: of two completions of a prompt, the worse one is read and the better one is learnt."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array
from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import scores_of, weighted
from lit_iterative.ops.language.propose.hint import PLACE, cells_of, encoded, filled
from lit_iterative.ops.language.score.utility import UTILITIES, Utility
from lit_iterative.ops.language.tokens import ids_of, int_lists, keys_of, spans, texts_of
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_choice, check_range, number
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class Revisions(Op):
    r"""Turns pairs into examples of revision: the rejected completion is read, the chosen one is written.

    Self-Correction (Welleck et al., 2022, arXiv:2211.00053, section 3): a corrector learns from pairs of which the
    second improves on the first. A worse completion goes to a better one with a probability in proportion to ``exp(gain
    * difference of the scores + similarity * likeness)``, so that corrections which help much and change little count
    most. Here all pairs are kept and this probability is the weight, which is the same in expectation. Put it behind a
    builder of pairs, such as ``AllPairs``.

    Args:
        template: What the corrector reads: a text with names of columns in braces, one of them ``{rejected}``.
        gain: How much the improvement counts.
        similarity: How much the likeness of the two counts.
        utility: What the likeness of two texts is, from 0 to 1.

    Requires ``group``, the columns named, ``chosen``, ``rejected``, ``chosen_ids``, ``rejected_ids`` and their scores.
    Provides ``prompt_ids`` (the template), ``text`` and ``completion_ids`` (the better completion) and ``weight``; one
    that is there stays a factor. Counts ``revisions`` and measures ``likeness``.

    Raises:
        PipelineError: If the template has no place for the worse completion, or a parameter is out of its range.
        DataError: If a cell to fill in is empty, or rows of a group stand apart, when run.

    Example:
        >>> Revisions("{prompt}{rejected}\nBetter:").requires[:3]
        ('group', 'prompt', 'rejected')
    """

    template: str
    gain: float | Schedule = 1.0
    similarity: float | Schedule = 0.0
    utility: Utility = "rouge_l"
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        if "rejected" not in PLACE.findall(self.template):
            raise PipelineError(
                f"The template {self.template!r} of Revisions has no {{rejected}}. Say where the worse completion "
                "stands that is to be improved."
            )
        check_range("Revisions(gain)", self.gain, 0)
        check_range("Revisions(similarity)", self.similarity, 0)
        check_choice("Revisions(utility)", self.utility, tuple(UTILITIES))

    @property
    def requires(self) -> tuple[str, ...]:
        """The pairs and what is filled in."""
        pairs = ("chosen", "rejected", "chosen_ids", "rejected_ids", "chosen_score", "rejected_score")
        return tuple(dict.fromkeys(["group", *PLACE.findall(self.template), *pairs]))

    @property
    def provides(self) -> tuple[str, ...]:
        """The examples."""
        return ("prompt_ids", "text", "completion_ids", "weight")

    @property
    def consumes(self) -> tuple[str, ...]:
        """The sides of the pairs."""
        return ("chosen", "chosen_ids", "rejected_ids")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return an example for every pair."""
        weight = self._shares(table, context)
        texts = [filled(self.template, row) for row in cells_of(table, PLACE.findall(self.template))]
        ids_of(table, "chosen_ids")
        columns = {
            "prompt_ids": int_lists(encoded(table, texts, context)),
            "text": table.column("chosen"),
            "completion_ids": table.column("chosen_ids"),
        }
        rest = table.drop_columns([*self.consumes, *(name for name in columns if name in table.column_names)])
        for name, column in columns.items():
            rest = rest.append_column(name, column)
        context.tally.count("revisions", rest.num_rows)
        return weighted(rest, weight)

    def _shares(self, table: pa.Table, context: Context) -> Array:
        """Return, for each pair, how likely its worse completion goes to its better one, ``(rows,)``."""
        better, worse = texts_of(table, "chosen"), texts_of(table, "rejected")
        like = np.array([UTILITIES[self.utility](*pair) for pair in zip(worse, better, strict=True)], dtype=np.float64)
        context.tally.mean("likeness", like)
        gain = scores_of(table, "chosen_score") - scores_of(table, "rejected_score")
        exponent, keys = number(self.gain) * gain + number(self.similarity) * like, keys_of(table, "rejected_ids")
        share = np.ones(table.num_rows)
        for start, end in spans(table):
            kinds = np.unique(keys[start:end], return_inverse=True)[1]
            for kind in range(kinds.max() + 1):
                rows = start + np.flatnonzero(kinds == kind)
                mass = np.exp(exponent[rows] - exponent[rows].max())
                share[rows] = mass / mass.sum()
        return share
