"""Demonstrate: an expert's actions, played out in the environment."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.environments import Environment
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.generation.forward import Member
from lit_iterative.generation.language import LanguageModel
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import IDS, column_of, ids_of
from lit_iterative.ops.language.turns.trajectory import Trajectory, check_template, tasks_of, written
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class Demonstrate(Op):
    """Plays what an expert did in the environment, so that its trajectory is like one of ``Rollout``.

    It is to trajectories what ``Encode`` is to completions: ``AcceptGiven`` imitates them, ``GoldOwn`` prefers them to
    the policy's own, as ETO does (Song et al., 2024, arXiv:2403.02502). Put it behind ``Prompts``.

    Args:
        environment: The world; the same as in ``Rollout``, so that the same input gives the same episode.
        actions: The column of the expert's turns, a list of texts, as the policy would write them. Cells may be empty.
        gold: The column of its trajectories as text.
        observation: How an observation is written; the same as in ``Rollout``.

    Requires ``prompt_ids``, the actions and what the environment requires; provides the gold column, and the columns of
    its name and ``_ids`` and ``_mask`` (a weight a token: 1 for the expert's, 0 for the environment's), all empty where
    there are no actions, and ``scores.<gold>``, the sum of the rewards, NaN there. Counts ``not_given`` (rows).

    Raises:
        PipelineError: If the template has no place for the observation.
        DataError: If the actions are no lists of texts, or go on when the episode is over, when run.

    Example:
        >>> from lit_iterative.environments import Rooms
        >>> Demonstrate(Rooms()).provides
        ('expert', 'expert_ids', 'expert_mask', 'scores.expert')
    """

    environment: Environment
    actions: str = "actions"
    gold: str = "expert"
    observation: str = "{observation}"

    def __post_init__(self) -> None:
        if not check_template(self.observation):
            raise PipelineError(
                f"Demonstrate(observation) is {self.observation!r}. Give a text with the one place {{observation}}."
            )

    @property
    def requires(self) -> tuple[str, ...]:
        """The prompts, the actions, and what the environment is told."""
        return tuple(dict.fromkeys(["prompt_ids", self.actions, *self.environment.requires]))

    @property
    def provides(self) -> tuple[str, ...]:
        """The trajectories and their rewards."""
        return (self.gold, f"{self.gold}_ids", f"{self.gold}_mask", f"scores.{self.gold}")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the table with the trajectories."""
        tasks, prompts, actions = tasks_of(table, self.environment), ids_of(table, "prompt_ids"), self._actions(table)
        made: list[Trajectory | None] = []
        with context.model().language(Member()) as model:
            for task, prompt, said in zip(tasks, prompts, actions, strict=True):
                begun = Trajectory(self.environment, task, task["id"], prompt, self.observation, model)
                made.append(None if said is None else _played(begun, said, model))
        context.tally.count("not_given", made.count(None))
        masks = pa.array([one and one.mask for one in made], pa.list_(pa.float32()))
        reward = np.array([np.nan if one is None else one.reward for one in made], dtype=np.float64)
        columns = [
            pa.array([one and one.text for one in made], pa.string()),
            pa.array([one and one.ids for one in made], IDS),
            masks,
            reward,
        ]
        return write(table, **dict(zip(self.provides, columns, strict=True)))

    def _actions(self, table: pa.Table) -> list[list[str] | None]:
        column = column_of(table, self.actions)
        kind = column.type
        if not pa.types.is_null(kind) and not (pa.types.is_list(kind) and pa.types.is_string(kind.value_type)):
            raise DataError(
                f"Column {self.actions!r} has type {kind}, but an expert's actions are a list of texts. Give such a "
                "list for each prompt."
            )
        rows: list[list[str] | None] = column.to_pylist()
        return rows


def _played(trajectory: Trajectory, actions: Sequence[str], model: LanguageModel) -> Trajectory:
    """Return a trajectory with all these actions."""
    for place, action in enumerate(actions):
        if trajectory.finish is not None:
            raise DataError(
                f"An expert has {len(actions)} actions, but the episode is over after {place}: {trajectory.text!r}. "
                "Leave out the others, or take the environment that they were made for."
            )
        trajectory.act(written(model, action), "stop")
    return trajectory
