"""StepSearch: a solution is searched for step by step, and goes on from the best step."""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from lit_iterative.columns import keep, read, write
from lit_iterative.errors import PipelineError
from lit_iterative.generation.forward import Member
from lit_iterative.generation.language import Sampling
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import groups_of, scores_of
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.steps.nested import check_nested, needed, run_nested
from lit_iterative.ops.language.steps.next_steps import NextSteps
from lit_iterative.ops.language.steps.steps import advanced, roots
from lit_iterative.ops.op import Op
from lit_iterative.ops.tally import Tally

#: Which search a row belongs to, while it is under way.
SEARCH = "search.number"


@dataclass(frozen=True)
class StepSearch(ModelOp):
    r"""Draws steps, scores them, and goes on from the best, until the solution ends: greedy search over steps.

    Scoring happens inside of proposing and decides how it goes on. With ``WinRate(PolicyJudge())`` as scorer, it is the
    search of Process-based Self-Rewarding (Zhang et al., 2025, arXiv:2503.03746). Each depth is one call of the engine
    for all prompts of a shard.

    Args:
        scorers: What scores the steps of a state against each other or each by itself; they read the state as
            ``prompt`` and the step as ``text``.
        score: The score to go by; of equals, who is taken is drawn.
        n: Steps of each state.
        depth: Steps of a solution at most.
        sampling: How a step is drawn; ``max_new_tokens`` is its length at most.
        separator: The text with which a step ends.
        actor: Who draws.
        stream: Name of the draws.

    Requires ``prompt`` and ``prompt_ids``, and what the scorers need. Provides all steps of all states that it went
    through, each as ``NextSteps`` does, with its scores: a builder such as ``StepPairs`` compares those of a state. A
    step that was cut, or has no score, is never gone on from. Measures ``ended`` (share of the searches that came to
    the end of a solution) and ``steps`` (of these), and counts and measures what ``NextSteps`` does.

    Raises:
        PipelineError: If ``n`` or ``depth`` is below 1, the separator is empty, a scorer needs the whole table, or none
            gives the score.
        DataError: If a prompt has several rows, when run.

    Example:
        >>> from lit_iterative.ops.language import PolicyJudge, WinRate
        >>> StepSearch([WinRate(PolicyJudge())]).requires
        ('prompt', 'prompt_ids')
    """

    scorers: list[Op]
    score: str = "scores.win_rate"
    n: int = 4
    depth: int = 8
    sampling: Sampling = field(default_factory=Sampling)
    separator: str = "\n"
    actor: Actor = field(default_factory=Policy)
    stream: str = "search"

    def __post_init__(self) -> None:
        check_nested("StepSearch(scorers)", self.scorers, self.score)
        self._proposer  # noqa: B018  # refuses what it cannot draw by
        if self.depth < 1:
            raise PipelineError(f"StepSearch(depth) is {self.depth}. Search for solutions of at least one step.")

    @property
    def _proposer(self) -> NextSteps:
        return NextSteps(self.n, self.sampling, self.separator, self.actor, self.stream)

    @property
    def requires(self) -> tuple[str, ...]:
        """The prompts, and what the scorers need."""
        proposer = self._proposer
        return (*proposer.requires, *needed(self.scorers, ["id", *proposer.requires, *proposer.provides]))

    @property
    def provides(self) -> tuple[str, ...]:
        """The steps and their scores."""
        scores = [column for op in self.scorers for column in op.provides]
        return tuple(dict.fromkeys(["prompt", "prompt_ids", *self._proposer.provides, *scores]))

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the steps of all searches in one shard, those of a prompt together, the first step first."""
        states, made = write(roots(table), **{SEARCH: np.arange(table.num_rows)}), list[pa.Table]()
        ended = np.zeros(table.num_rows)
        for depth in range(self.depth):
            made.append(run_nested(self.scorers, self._proposer(states, context), context))
            best = made[-1].take(pa.array(self._best(made[-1], context), pa.int64()))
            done = read(best, "done").astype(bool)
            ended[read(best, SEARCH)[done]] = depth + 1
            with context.model().language(Member()) as model:
                states = advanced(keep(best, ~done), model.decode)
            if not states.num_rows:
                break
        context.tally.mean("ended", ended > 0)
        context.tally.mean("steps", ended[ended > 0])
        steps = pa.concat_tables(made).unify_dictionaries()
        return steps.take(np.argsort(read(steps, SEARCH), kind="stable")).drop_columns([SEARCH])

    def _best(self, steps: pa.Table, context: Context) -> list[int]:
        """Return the step of every state that the search goes on from, or ends with."""
        inside, score = replace(context, tally=Tally()), scores_of(steps, self.score)
        groups = groups_of(steps, inside, self.stream, score, "drop", keys=None)
        return [int(group.rows[group.score.argmax()]) for group in groups if len(group.rows)]
