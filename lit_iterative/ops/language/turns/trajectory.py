"""Trajectory: what a policy and an environment said in turn, as one completion with a mask."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.environments import Environment
from lit_iterative.environments.environment import seed_of
from lit_iterative.errors import DataError
from lit_iterative.generation.language import Finish, LanguageModel
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.propose.hint import PLACE, filled
from lit_iterative.ops.language.tokens import int_lists
from lit_iterative.sequences import Tokens

#: The columns of trajectories, beside who made them.
REWARD = "scores.reward"
COLUMNS = ("completion_ids", "completion_mask", "finish", "text", "turns", "turn_starts", REWARD)


class Trajectory:
    """One episode, turn by turn.

    Args:
        environment: What the policy talks to.
        task: The columns that it requires.
        id: Of the input, which seeds the episode.
        prompt: What is read first.
        template: How an observation is written, with the place ``{observation}``.
        model: Knows the tokens.
    """

    def __init__(
        self,
        environment: Environment,
        task: Mapping[str, Any],
        id: Any,
        prompt: Tokens,
        template: str,
        model: LanguageModel,
    ) -> None:
        self._episode = environment.reset(task, seed_of(id))
        self._prompt = list(prompt)
        self._template = template
        self._model = model
        self.ids: list[int] = []
        self.mask: list[float] = []
        self.turns: list[str] = []
        self.starts: list[int] = []
        self.reward = float("nan")
        self.finish: Finish | None = None
        self._hear(self._episode.opening)

    @property
    def text(self) -> str:
        """All that was said since the prompt."""
        return self._model.decode(self.ids)

    @property
    def read(self) -> list[int]:
        """All tokens up to now."""
        return [*self._prompt, *self.ids]

    def act(self, ids: Tokens, finish: Finish) -> None:
        """Take a turn of the policy, and hear what follows. One that was cut is judged and ends the episode.

        Args:
            ids: What it wrote.
            finish: Why it stopped.
        """
        self.starts.append(len(self.ids))
        self._add(ids, 1.0)
        self.turns.append(self._model.decode(ids))
        step = self._episode.step(self.turns[-1])
        if step.reward is not None:
            self.reward = step.reward if np.isnan(self.reward) else self.reward + step.reward
        if finish == "length":
            self.finish = "length"
            return
        self._hear(step.observation)
        if step.done:
            self.finish = "stop"

    def _hear(self, observation: str) -> None:
        """Add what the environment says, unweighted, as far as there is room; without any left the episode is cut."""
        if observation:
            text, room = filled(self._template, {"observation": observation}), self._model.context - len(self.read)
            self._add(written(self._model, text)[:room], 0.0)
        if len(self.read) >= self._model.context:
            self.finish = "length"

    def _add(self, ids: Tokens, weight: float) -> None:
        self.ids += ids
        self.mask += [weight] * len(ids)


def written(model: LanguageModel, text: str) -> list[int]:
    """Return the tokens of a text that goes on with others: without BOS and EOS.

    Example:
        >>> from lit_iterative.testing.fake_language import FakeLanguage
        >>> written(FakeLanguage(), "12")
        [49, 50]
    """
    return model.encode_example("", text)[1][:-1]


def check_template(template: str) -> bool:
    """Tell whether a template says where the observation stands, and has no other place.

    Example:
        >>> check_template("<output>{observation}</output>"), check_template("{prompt}")
        (True, False)
    """
    return PLACE.findall(template) == ["observation"]


def tasks_of(table: pa.Table, environment: Environment) -> list[dict[str, Any]]:
    """Return what an environment is told of every row.

    Raises:
        DataError: If the table lacks a column that the environment requires.
    """
    missing = sorted(set(environment.requires) - set(table.column_names))
    if missing:
        raise DataError(
            f"{type(environment).__name__} is told {missing} of a task, but the table has only {table.column_names}. "
            f"Read them from the pool: Prompts(fields={missing})."
        )
    rows: list[dict[str, Any]] = table.select(["id", *environment.requires]).to_pylist()
    return rows


def told(table: pa.Table, trajectories: Sequence[Trajectory], context: Context) -> pa.Table:
    """Return the table with the columns of its trajectories, one a row, and measure how they went.

    Args:
        table: Rows with what is known of the prompts.
        trajectories: All of them over.
        context: The round.
    """
    finish = [trajectory.finish or "length" for trajectory in trajectories]
    reward = np.array([trajectory.reward for trajectory in trajectories], dtype=np.float64)
    context.tally.mean("turns", [len(trajectory.turns) for trajectory in trajectories])
    context.tally.mean("unfinished_share", [name == "length" for name in finish])
    context.tally.mean("reward", reward)
    return write(
        table,
        completion_ids=int_lists([trajectory.ids for trajectory in trajectories]),
        completion_mask=pa.array([trajectory.mask for trajectory in trajectories], pa.list_(pa.float32())),
        finish=pa.array(finish, pa.string()),
        text=pa.array([trajectory.text for trajectory in trajectories], pa.string()),
        turns=pa.array([trajectory.turns for trajectory in trajectories], pa.list_(pa.string())),
        turn_starts=int_lists([trajectory.starts for trajectory in trajectories]),
        **{REWARD: reward},
    )
