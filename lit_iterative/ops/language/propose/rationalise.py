"""Rationalise: a second try, with a hint, for prompts that were not solved without."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read, write
from lit_iterative.errors import PipelineError
from lit_iterative.generation.language import Sampling
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import scores_of
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.language.tokens import ids_of, spans
from lit_iterative.ops.op import Scope
from lit_iterative.ops.parameters import number
from lit_iterative.ops.schedule import Schedule


@dataclass(frozen=True)
class Rationalise(ModelOp):
    """Samples from the hinted context of every prompt that none of its candidates solves, and adds what it gets.

    STaR's rationalisation (Zelikman et al., 2022, arXiv:2203.14465, section 3.3): a policy that is told the answer may
    find a way to it, which it then learns as if nobody had told. The pipeline is ``Prompts(["answer"])``,
    ``Hint("...{answer}")``, ``Sample``, what extracts and verifies, ``Rationalise``, what extracts and verifies once
    more, and ``Accept(hinted="hinted")``, which trains on ``prompt_ids``, without the hint.

    Args:
        n: Completions of each such prompt.
        sampling: How they are drawn.
        actor: Who draws them.
        context: The column of the hinted context.
        score: The score that tells what is solved.
        threshold: What a candidate must score at least to solve its prompt.
        stream: Name of the draws.

    Requires ``group``, the context and the score. Added rows stand at the end of their group and have the group's
    columns, but ``candidate``, ``completion_ids``, ``finish``, ``text`` and ``source`` of their own; their scores are
    NaN and their ``final`` is empty until they are extracted and scored. Provides ``hinted``: true for the added rows,
    false for the others. Counts ``unsolved`` (groups), beside what ``Sample`` counts.

    Raises:
        PipelineError: If ``n`` is below 1.
        DataError: If a score is infinite, or rows of a group stand apart, when run.

    Example:
        >>> Rationalise(2, Sampling(max_new_tokens=32)).requires
        ('group', 'context_ids', 'scores.correct')
    """

    n: int = 1
    sampling: Sampling = field(default_factory=Sampling)
    actor: Actor = field(default_factory=Policy)
    context: str = "context_ids"
    score: str = "scores.correct"
    threshold: float | Schedule = 0.5
    stream: str = "rationalise"
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        if self.n < 1:
            raise PipelineError(f"Rationalise(n) is {self.n}. Draw at least one completion of each unsolved prompt.")

    @property
    def requires(self) -> tuple[str, ...]:
        """Groups, contexts and what tells whether they are solved."""
        return ("group", self.context, self.score)

    @property
    def provides(self) -> tuple[str, ...]:
        """The candidates."""
        return ("group", "candidate", "completion_ids", "finish", "text", "source", "hinted", self.score)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard with the added rows."""
        score, bounds = scores_of(table, self.score), spans(table)
        ids_of(table, self.context)
        unsolved = [span for span in bounds if not (score[slice(*span)] >= number(self.threshold)).any()]
        context.tally.count("unsolved", len(unsolved))
        starts, sizes = np.array(unsolved, dtype=np.int64).reshape(-1, 2).T
        added = self._added(table.take(pa.array(starts)), sizes - starts, context)
        return _joined(write(table, hinted=pa.array([False] * table.num_rows, pa.bool_())), added)

    def _added(self, prompts: pa.Table, sizes: Array, context: Context) -> pa.Table:
        """Return hinted completions of prompts that have so many candidates already."""
        sample = Sample(self.n, self.sampling, self.actor, self.context, self.stream)
        rows = sample(prompts, context)
        rows = write(rows, group=prompts.column("group").take(pa.array(np.repeat(np.arange(len(sizes)), self.n))))
        candidate = read(rows, "candidate") + np.repeat(sizes, self.n).astype(np.int32)
        rows = write(rows, candidate=candidate, hinted=pa.array([True] * rows.num_rows, pa.bool_()))
        unknown = {name: np.nan for name in rows.column_names if name.startswith("scores.")} | {"final": None}
        for name in set(unknown) & set(rows.column_names):
            cells = [unknown[name]] * rows.num_rows
            rows = write(rows, **{name: pa.array(cells, rows.schema.field(name).type)})
        return rows


def _joined(table: pa.Table, added: pa.Table) -> pa.Table:
    """Return the rows of both, those added at the end of their group."""
    missing = {name: pa.nulls(table.num_rows, added.schema.field(name).type) for name in added.column_names}
    table = write(table, **{name: column for name, column in missing.items() if name not in table.column_names})
    both = pa.concat_tables([table, added.select(table.column_names).cast(table.schema)]).unify_dictionaries()
    _, place = np.unique(read(both, "group"), return_inverse=True)
    first = np.full(len(place), len(place))
    np.minimum.at(first, place, np.arange(len(place)))
    return both.take(pa.array(np.argsort(first[place], kind="stable")))
