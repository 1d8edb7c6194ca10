"""Mismatched: beside every completion one of another prompt, from which KTO estimates its baseline."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import ids_of, int_lists
from lit_iterative.ops.op import Op, Scope
from lit_iterative.seeds import generator


@dataclass(frozen=True)
class Mismatched(Op):
    """Gives every row a completion of another prompt.

    KTO (Ethayarajh et al., 2024, arXiv:2402.01306, section 4.1) measures a reward against ``z0``, an estimate of the
    policy's divergence from the reference, for which it takes completions that do not belong to their prompts. Put it
    behind the builder ``Unpaired``, and ``ReferenceLogProbs(of="judged")`` behind it.

    The prompts are put into an order that is drawn from the seed and the round; a row gets a completion of the prompt
    behind its own; equal ones get the same, and different ones those of that prompt in turn.

    Requires ``group`` and ``completion_ids``; provides ``mismatched_ids`` (token ids; none where there is no other
    prompt, so that the row counts as no divergence). Counts ``without_mismatch``: rows without.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> made = Mismatched()(candidates(["1", "2", "3"], [0, 0, 1]), Context(Pool([0, 1], 1)))
        >>> made["mismatched_ids"].to_pylist()
        [[51, 2], [51, 2], [49, 2]]
    """

    scope: ClassVar[Scope] = "global"

    @property
    def requires(self) -> tuple[str, ...]:
        """The completions and whose they are."""
        return ("group", "completion_ids")

    @property
    def provides(self) -> tuple[str, ...]:
        """The mismatched completions."""
        return ("mismatched_ids",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the mismatched completions."""
        names, completions = read(table, "group").tolist(), ids_of(table, "completion_ids")
        distinct: dict[Any, list[list[int]]] = {name: [] for name in sorted(set(names))}
        for name, ids in sorted(set(zip(names, map(tuple, completions), strict=True))):
            distinct[name].append(list(ids))
        draw = generator(context.seed, self.name, context.round)
        order = [[*distinct][place] for place in draw.permutation(len(distinct))]
        behind = dict(zip(order, np.roll(np.arange(len(order)), -1), strict=True))
        mismatched: list[list[int]] = []
        for name, completion in zip(names, completions, strict=True):
            others = distinct[order[behind[name]]] if len(order) > 1 else [[]]
            mismatched.append(others[distinct[name].index(completion) % len(others)])
        context.tally.count("without_mismatch", table.num_rows if len(order) == 1 else 0)
        return write(table, mismatched_ids=int_lists(mismatched))
