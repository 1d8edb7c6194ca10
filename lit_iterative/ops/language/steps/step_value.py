"""StepValue: how good a step is, by how the solutions that go on from it end."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep, read, write
from lit_iterative.errors import PipelineError
from lit_iterative.generation.forward import Member
from lit_iterative.generation.language import Sampling
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import is_cut, scores_of
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.language.steps.nested import check_nested, needed, run_nested
from lit_iterative.ops.language.steps.steps import joined, solutions
from lit_iterative.ops.language.tokens import ids_of, int_lists, lengths_of, texts_of
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.tally import Tally

STEP = ("group", "prompt", "prompt_ids", "prefix_ids", "step", "candidate", "completion_ids", "done")


@dataclass(frozen=True)
class StepValue(ModelOp):
    """Scores a step by rollouts: the mean score of solutions that the policy draws on from it.

    With a verifier's 0 and 1 it is the soft estimate of Math-Shepherd (Wang et al., 2024, arXiv:2312.08935, after
    section 3.3): ``V = 1/n sum_j [the answer of rollout j is right]``, an estimate of how likely the policy is to be
    right from there. A step with which the solution ends is scored as it is.

    Args:
        scorers: What scores whole solutions, whose ``text`` begins at the prompt, such as ``ExtractAnswer`` and
            ``Verify``.
        n: Rollouts from every step.
        sampling: How they are drawn.
        score: The scorers' score.
        actor: Who draws them.
        value: Name of the result.
        stream: Name of the draws; give two of one pipeline different ones.

    Requires ``group``, ``prompt``, ``prompt_ids``, ``prefix_ids``, ``step``, ``candidate``, ``completion_ids`` and
    ``done``, as ``CutSteps`` and ``NextSteps`` provide them, and what the scorers need; provides ``scores.<value>``
    ``(rows,)``, float64, NaN where every rollout's score is, or the context has no room for one. Counts ``rollouts``,
    ``rollouts_cut``, ``no_room`` (rows), and measures ``<value>``.

    Raises:
        PipelineError: If ``n`` is below 1, a scorer needs the whole table, or none gives the score.

    Example:
        >>> from lit_iterative.ops.language import ExtractAnswer, Verify
        >>> StepValue([ExtractAnswer(), Verify()], n=4).requires[-1]
        'answer'
    """

    scorers: list[Op]
    n: int = 4
    sampling: Sampling = field(default_factory=Sampling)
    score: str = "scores.correct"
    actor: Actor = field(default_factory=Policy)
    value: str = "value"
    stream: str = "rollouts"
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        check_nested("StepValue(scorers)", self.scorers, self.score)
        if self.n < 1:
            raise PipelineError(f"StepValue(n) is {self.n}. Draw at least one solution from every step.")

    @property
    def requires(self) -> tuple[str, ...]:
        """The steps, and what the scorers need."""
        return (*STEP, *needed(self.scorers, [*STEP, "id", "text", "finish"]))

    @property
    def provides(self) -> tuple[str, ...]:
        """The value."""
        return (f"scores.{self.value}",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard with the values."""
        with context.model().language(Member()) as model:
            origin, tails, finish = self._ends(table, model.context, context)
            whole = solutions(table.take(pa.array(origin)), tails, model.decode)
        names = np.array(_names(table), dtype=object)
        whole = write(whole, finish=pa.array(finish, pa.string()), group=pa.array(names[origin], pa.string()))
        score = scores_of(run_nested(self.scorers, whole, context), self.score)
        value = mean_by(origin, score, table.num_rows)
        context.tally.mean(self.value, value)
        return write(table, **{f"scores.{self.value}": value})

    def _ends(self, table: pa.Table, most: int, context: Context) -> tuple[Array, list[list[int]], list[str]]:
        """Return how solutions go on: the step of each, the tokens behind it, and why it ended."""
        done = read(table, "done").astype(bool)
        room = lengths_of(table, "prompt_ids") + lengths_of(table, "completion_ids") < most
        context.tally.count("no_room", int((~room & ~done).sum()))
        drawn = self._drawn(keep(table, room & ~done), context)
        rows = np.concatenate([np.flatnonzero(done), np.repeat(np.flatnonzero(room & ~done), self.n)])
        tails: list[list[int]] = [[]] * int(done.sum()) + ids_of(drawn, "completion_ids")
        finish = ["stop"] * int(done.sum()) + texts_of(drawn, "finish")
        return rows, tails, finish

    def _drawn(self, steps: pa.Table, context: Context) -> pa.Table:
        """Return ``n`` completions of each step, in order."""
        after = joined(ids_of(steps, "prompt_ids"), ids_of(steps, "completion_ids"))
        given = pa.table({"id": pa.array(_names(steps), pa.string()), "prompt_ids": int_lists(after)})
        inside = replace(context, tally=Tally())
        drawn = Sample(self.n, self.sampling, self.actor, stream=self.stream)(given, inside)
        context.tally.count("rollouts", drawn.num_rows)
        context.tally.count("rollouts_cut", int(is_cut(drawn).sum()))
        return drawn


def _names(steps: pa.Table) -> list[str]:
    """Return the names of steps, by which their rollouts are drawn."""
    parts = zip(texts_of(steps, "group"), read(steps, "step").tolist(), read(steps, "candidate").tolist(), strict=True)
    return [f"{group} {step} {candidate}" for group, step, candidate in parts]


def mean_by(origin: Array, score: Array, rows: int) -> Array:
    """Return the mean score of what belongs to each row, ``(rows,)``, without NaN; NaN where nothing is left.

    Args:
        origin: The row that each score belongs to, ``(scores,)``.
        score: Scores.
        rows: How many rows there are.

    Example:
        >>> mean_by(np.array([0, 0, 1]), np.array([1.0, 0.0, np.nan]), 2)
        array([0.5, nan])
    """
    known = ~np.isnan(score)
    counts = np.bincount(origin[known], minlength=rows)
    sums = np.bincount(origin[known], score[known], minlength=rows)
    return np.where(counts > 0, sums / counts.clip(min=1), np.nan)
