"""Mismatched: beside every completion one of another prompt, from which KTO estimates its baseline."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import column_of, ids_of, int_lists
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

    Args:
        masked: Whether completions have a ``completion_mask``, as those of ``Rollout`` do, which goes with them.

    Requires ``group`` and ``completion_ids``, and the mask where there is one; provides ``mismatched_ids`` (token ids;
    none where there is no other prompt, so that the row counts as no divergence), and ``mismatched_mask``. Counts
    ``without_mismatch``: rows without.

    Raises:
        DataError: If a mask is missing, when run.

    Example:
        >>> from lit_iterative.ops.language.testing import candidates
        >>> from lit_iterative.pool import Pool
        >>> made = Mismatched()(candidates(["1", "2", "3"], [0, 0, 1]), Context(Pool([0, 1], 1)))
        >>> made["mismatched_ids"].to_pylist()
        [[51, 2], [51, 2], [49, 2]]
    """

    masked: bool = False
    scope: ClassVar[Scope] = "global"

    @property
    def requires(self) -> tuple[str, ...]:
        """The completions and whose they are."""
        return ("group", "completion_ids", *(["completion_mask"] if self.masked else []))

    @property
    def provides(self) -> tuple[str, ...]:
        """The mismatched completions."""
        return ("mismatched_ids", *(["mismatched_mask"] if self.masked else []))

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the mismatched completions."""
        names, completions = read(table, "group").tolist(), ids_of(table, "completion_ids")
        keys = list(zip(names, map(tuple, completions), strict=True))
        distinct: dict[Any, list[tuple[int, ...]]] = {name: [] for name in sorted(set(names))}
        for name, ids in sorted(set(keys)):
            distinct[name].append(ids)
        draw = generator(context.seed, self.name, context.round)
        order = [[*distinct][place] for place in draw.permutation(len(distinct))]
        behind = dict(zip(order, np.roll(np.arange(len(order)), -1), strict=True))
        others: list[tuple[Any, tuple[int, ...]]] = []
        for name, completion in keys:
            other = order[behind[name]]
            theirs = distinct[other] if len(order) > 1 else [()]
            others.append((other, theirs[distinct[name].index(completion) % len(theirs)]))
        context.tally.count("without_mismatch", table.num_rows if len(order) == 1 else 0)
        made = write(table, mismatched_ids=int_lists([ids for _, ids in others]))
        if not self.masked:
            return made
        masks = dict(zip(keys, _masks_of(table), strict=True))
        mine = [masks[key] if key[1] else [] for key in others]
        return write(made, mismatched_mask=pa.array(mine, pa.list_(pa.float32())))


def _masks_of(table: pa.Table) -> list[list[float]]:
    column = column_of(table, "completion_mask")
    if column.null_count:
        raise DataError(
            f"Column 'completion_mask' has {column.null_count} empty cells of {len(column)}. Leave "
            "Mismatched(masked=True) out where completions have no masks."
        )
    masks: list[list[float]] = column.to_pylist()
    return masks
