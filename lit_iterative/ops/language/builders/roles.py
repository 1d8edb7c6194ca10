"""Roles: what is made once is learnt in several roles, each of which reads something else."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.propose.hint import PLACE, cells_of, encoded, filled
from lit_iterative.ops.language.tokens import int_lists
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class Roles(Op):
    """Repeats every row to train on, once in each of several roles, which read what their templates say.

    Self-Lengthen (Quan et al., 2024, arXiv:2410.23933) learns a long text twice: a generator reads the prompt, an
    extender the prompt and the shorter text that the long one was made from. One role only changes what is read.

    Args:
        templates: What is read, by the name of the role: texts with names of columns in braces. Only such places are
            filled, once.

    Requires the columns named; provides ``role`` (its name) and ``prompt_ids``.

    Raises:
        PipelineError: If there is no role, or a template has no place.
        DataError: If a cell to fill in is empty, when run.

    Example:
        >>> Roles({"generator": "{prompt}", "extender": "{prompt} {draft} Longer:"}).requires
        ('prompt', 'draft')
    """

    templates: dict[str, str]

    def __post_init__(self) -> None:
        empty = [role for role, template in self.templates.items() if not PLACE.findall(template)]
        if empty or not self.templates:
            raise PipelineError(
                f"Roles has the templates {self.templates}, without a place in those of {empty}. Give at least one "
                "role, and name a column in each, as in {prompt}."
            )

    @property
    def requires(self) -> tuple[str, ...]:
        """What is filled in."""
        return tuple(dict.fromkeys(name for text in self.templates.values() for name in PLACE.findall(text)))

    @property
    def provides(self) -> tuple[str, ...]:
        """The role and what it reads."""
        return ("role", "prompt_ids")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return every row in all roles."""
        texts = [filled(text, row) for row in cells_of(table, self.requires) for text in self.templates.values()]
        rows = table.take(pa.array(np.repeat(np.arange(table.num_rows), len(self.templates))))
        roles = pa.array([*self.templates] * table.num_rows, pa.string())
        return write(rows, role=roles, prompt_ids=int_lists(encoded(rows, texts, context)))
