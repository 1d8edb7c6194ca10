"""Steering: pairs that keep a policy steerable by the contexts that made them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import scores_of, weighted
from lit_iterative.ops.language.propose.hint import cells_of, encoded, filled, places_of
from lit_iterative.ops.language.score.judge_pairs import turned
from lit_iterative.ops.language.tokens import ids_of, int_lists, texts_of
from lit_iterative.ops.op import Op
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.schedule import Schedule

CONTEXTS = ("plain", "positive", "negative")
SIDES = tuple(f"{side}{end}" for side in ("chosen", "rejected") for end in ("", "_ids", "_score"))


@dataclass(frozen=True)
class Steering(Op):
    """Adds to every pair the same pair behind a good context, and turned round behind a bad one.

    A policy that learns from contrastive prompts comes to answer well whatever it is told, and the two sides grow
    alike. The added pairs let it go on to follow the contexts: what is better in the good one is worse in the bad one.
    After the terms by which Self-Steering Optimization (Xiang et al., 2024, arXiv:2410.17131) steers itself, as rows.

    Args:
        positive: The good context: a text with places as in ``Hint``.
        negative: The bad one.
        weight: Of each added pair, as a factor of the pair's own.

    Requires ``prompt``, ``prompt_ids``, ``chosen``, ``rejected``, ``chosen_ids``, ``rejected_ids``, ``chosen_score``,
    ``rejected_score`` and the columns named; overwrites these but the last, with three rows a pair, and provides
    ``context`` (``plain``, ``positive`` or ``negative``) and ``weight``.

    Raises:
        PipelineError: If the weight is negative, or a template has no place for the prompt.
        DataError: If a cell to fill in is empty, when run.

    Example:
        >>> Steering("Be kind. {prompt}", "Be rude. {prompt}").provides[:3]
        ('context', 'weight', 'prompt')
    """

    positive: str
    negative: str
    weight: float | Schedule = 1.0

    def __post_init__(self) -> None:
        check_range("Steering(weight)", self.weight, 0)
        for template in (self.positive, self.negative):
            places_of(self.name, template)

    @property
    def requires(self) -> tuple[str, ...]:
        """The pairs and what is filled in."""
        return tuple(dict.fromkeys(["prompt", "prompt_ids", *SIDES, *self._places]))

    @property
    def _places(self) -> list[str]:
        places = [place for text in (self.positive, self.negative) for place in places_of(self.name, text)]
        return list(dict.fromkeys(places))

    @property
    def provides(self) -> tuple[str, ...]:
        """The pairs in all contexts."""
        return ("context", "weight", "prompt", "prompt_ids", *SIDES)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the pairs of one shard, each in all contexts."""
        for side in ("chosen", "rejected"):
            texts_of(table, side)
            ids_of(table, f"{side}_ids")
            scores_of(table, f"{side}_score")
        names = [*CONTEXTS] * table.num_rows
        rows = table.take(pa.array(np.repeat(np.arange(table.num_rows), len(CONTEXTS))))
        rows = self._behind(names, rows, context)
        rows = turned(rows, np.array([name == "negative" for name in names], dtype=bool))
        return weighted(rows, np.where([name == "plain" for name in names], 1.0, number(self.weight)))

    def _behind(self, names: list[str], rows: pa.Table, context: Context) -> pa.Table:
        """Return rows behind the contexts of these names."""
        templates = {"plain": "{prompt}", "positive": self.positive, "negative": self.negative}
        cells = zip(names, cells_of(rows, self._places), strict=True)
        texts = [filled(templates[name], row) for name, row in cells]
        ids = zip(names, ids_of(rows, "prompt_ids"), encoded(rows, texts, context), strict=True)
        return write(
            rows,
            context=pa.array(names, pa.string()),
            prompt=pa.array(texts, pa.string()),
            prompt_ids=int_lists(own if name == "plain" else steered for name, own, steered in ids),
        )
