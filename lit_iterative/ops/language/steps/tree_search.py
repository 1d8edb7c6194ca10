"""TreeSearch: Monte Carlo tree search over the steps of solutions."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep, read
from lit_iterative.generation.forward import Member
from lit_iterative.generation.language import Sampling
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import scores_of
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.score.scoring import log_probs_of
from lit_iterative.ops.language.steps.forest import Expansion, Forest
from lit_iterative.ops.language.steps.nested import check_nested, needed, run_nested
from lit_iterative.ops.language.steps.next_steps import NextSteps
from lit_iterative.ops.language.steps.steps import roots, solutions
from lit_iterative.ops.language.tokens import keys_of, lengths_of, repeats
from lit_iterative.ops.op import Op
from lit_iterative.ops.parameters import check_range, number
from lit_iterative.ops.schedule import Schedule
from lit_iterative.search.mcts import simulate


@dataclass(frozen=True)
class TreeSearch(ModelOp):
    r"""Searches for a solution of every prompt in a tree of steps, and returns the steps that it chose between.

    MCTS-DPO (Xie et al., 2024, arXiv:2405.00451): of a state the search selects steps by PUCT down to a leaf, expands
    it with ``n`` new steps, and backs up their values; after ``simulations`` of these it goes on from the step of the
    highest value, with the tree below it. How good a state is by itself, ``R = O + C``, is told by two lists of
    scorers: the outcome ``O`` is 1 or -1 where a solution ends right or wrong, and 0 before; the evaluation ``C``,
    such as the policy's own judgement, is asked for every step. Every expansion is one call of the engine for the
    leaves of all prompts of a shard.

    Args:
        outcome: What scores whole solutions, from 0 to 1, such as ``ExtractAnswer`` and ``Verify``.
        evaluation: What scores steps; they read the state as ``prompt`` and the step as ``text``. None if empty.
        outcome_score: The score of the outcome.
        evaluation_score: The score of the evaluation; where it is missing it counts 0.
        n: Steps of each leaf; equal ones count once.
        simulations: Selections before each step.
        depth: Steps of a solution at most.
        exploration: How much an unlikely or little visited step counts, PUCT's ``c``.
        discount: Of what is gained later.
        sampling: How a step is drawn; ``max_new_tokens`` is its length at most.
        separator: The text with which a step ends.
        actor: Who draws.
        stream: Name of the draws.

    Requires ``prompt`` and ``prompt_ids``, and what the scorers need. Provides all steps of the states that it went
    through, each as ``NextSteps`` does, with ``scores.value`` (float64, ``Q``, what it was found to gain) and
    ``visits`` (int32), both as they were when the search went on: the builder ``StepPairs`` compares those of a state.
    A step that was cut is never gone on from. Measures ``ended`` (share of the searches that came to the end of a
    solution), ``steps`` (of these), ``nodes`` (of a tree), and counts and measures what ``NextSteps`` does.

    Raises:
        PipelineError: If a number is out of its range, the separator is empty, a scorer needs the whole table, or
            none gives a score.
        DataError: If a prompt has several rows, or a cell that a scorer needs is empty, when run.

    Example:
        >>> from lit_iterative.ops.language import ExtractAnswer, Verify
        >>> TreeSearch([ExtractAnswer(), Verify()]).requires
        ('prompt', 'prompt_ids', 'answer')
    """

    outcome: list[Op]
    evaluation: list[Op] = field(default_factory=list)
    outcome_score: str = "scores.correct"
    evaluation_score: str = "scores.judge"
    n: int = 4
    simulations: int = 8
    depth: int = 8
    exploration: float | Schedule = 1.0
    discount: float = 1.0
    sampling: Sampling = field(default_factory=Sampling)
    separator: str = "\n"
    actor: Actor = field(default_factory=Policy)
    stream: str = "search"

    def __post_init__(self) -> None:
        check_nested("TreeSearch(outcome)", self.outcome, self.outcome_score)
        if self.evaluation:
            check_nested("TreeSearch(evaluation)", self.evaluation, self.evaluation_score)
        for name in ("simulations", "depth"):
            check_range(f"TreeSearch({name})", getattr(self, name), 1)
        check_range("TreeSearch(exploration)", self.exploration, 0)
        check_range("TreeSearch(discount)", self.discount, 0, 1)
        self.proposer  # noqa: B018  # refuses what it cannot draw by

    @property
    def proposer(self) -> NextSteps:
        """What draws the steps of a leaf."""
        return NextSteps(self.n, self.sampling, self.separator, self.actor, self.stream)

    @property
    def requires(self) -> tuple[str, ...]:
        """The prompts, and what the scorers need."""
        known = ["id", *self.proposer.requires, *self.proposer.provides]
        wanted = [*self.proposer.requires, *needed(self.outcome, known), *needed(self.evaluation, known)]
        return tuple(dict.fromkeys(wanted))

    @property
    def provides(self) -> tuple[str, ...]:
        """The steps, their values and visits."""
        return ("prompt", "prompt_ids", *self.proposer.provides, "scores.value", "visits")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the steps of all searches in one shard, those of a prompt together, the first step first."""
        for name in needed([*self.outcome, *self.evaluation], [*self.proposer.requires, *self.proposer.provides]):
            read(table, name)  # refuses an empty cell, such as an answer without which no outcome is known
        forest = Forest(roots(table), partial(self._expanded, context=context), context)
        for _ in range(self.depth):
            for _ in range(self.simulations):
                simulate(forest.open, forest.expand, number(self.exploration), self.discount)
            forest.go_on()
        return forest.chosen_between()

    def _expanded(self, states: pa.Table, context: Context) -> Expansion:
        """Draw the steps of states, and tell what the search wants to know of them."""
        steps = self.proposer(states, context)
        steps = keep(steps, ~repeats(list(zip(keys_of(steps, "group"), keys_of(steps, "completion_ids"), strict=True))))
        return Expansion(steps, self._rewards(steps, context), self._priors(steps, context))

    def _rewards(self, steps: pa.Table, context: Context) -> Array:
        """Return ``R = O + C`` of the states that steps lead to, ``(rows,)``."""
        reward = np.zeros(steps.num_rows)
        if self.evaluation:
            reward += np.nan_to_num(scores_of(run_nested(self.evaluation, steps, context), self.evaluation_score))
        done = read(steps, "done").astype(bool)
        with context.model().language(Member()) as model:
            whole = solutions(keep(steps, done), [[]] * int(done.sum()), model.decode)
        outcome = scores_of(run_nested(self.outcome, whole, context), self.outcome_score)
        reward[done] += np.nan_to_num(2 * outcome - 1)
        return reward

    def _priors(self, steps: pa.Table, context: Context) -> Array:
        """Return how likely steps are, the geometric mean of their tokens' probabilities, ``(rows,)``."""
        log_probs = log_probs_of(steps, "completion_ids", self.actor, context)
        return np.asarray(np.exp(log_probs / lengths_of(steps, "completion_ids").clip(min=1)))
