"""Rollout: completions in turns, between which an environment has its say."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.environments import Environment
from lit_iterative.errors import PipelineError
from lit_iterative.generation.language import LanguageModel, Sampling
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.propose.sample import earlier
from lit_iterative.ops.language.tokens import ids_of
from lit_iterative.ops.language.turns.trajectory import COLUMNS, Trajectory, check_template, tasks_of, told
from lit_iterative.seeds import derive_seed


@dataclass(frozen=True)
class Rollout(ModelOp):
    r"""Lets the policy talk to an environment, several times from every prompt.

    The policy writes a turn, which ends with EOS or a stop text; the environment answers; so they go on until it says
    that the episode is over. Policy and environment together are one completion, whose mask leaves out what the
    environment said: losses and references read it and do not learn it (Xiong et al., 2024, arXiv:2409.02392, for DPO
    and KTO). The turns of all rollouts are drawn together. A draw depends on the seed, the round, the prompt's id, the
    candidate and the turn.

    Args:
        environment: What the policy talks to. An episode is seeded by the prompt's id, so that all candidates of a
            prompt meet the same world in every round.
        n: Rollouts of each prompt.
        turns: Turns of the policy at most; a rollout that is not over then is cut.
        sampling: How a turn is drawn; the environment's stop texts are added.
        actor: Who draws; of several members, the candidates are dealt out in turn.
        observation: How an observation is written, for example with the marks of a chat's user.
        context: The column of token ids to begin with.
        stream: Name of the draws.

    Requires the context and what the environment requires.

    Provides:
        ``n`` rows a prompt, which stand together: ``group``, ``candidate``, ``source`` as ``Sample`` has them;
        ``completion_ids``; ``completion_mask`` (a weight a token: 1 for the policy's, 0 for the environment's);
        ``finish`` (``stop`` where the episode is over, ``length`` where it was cut); ``text`` (all that was said);
        ``turns`` (what the policy said, a text a turn) and ``turn_starts`` (at which tokens); ``scores.reward`` (the
        sum of what its actions earned, NaN where nothing was judged).

    Counts ``candidates``; measures ``turns``, ``unfinished_share`` and ``reward``.

    Raises:
        PipelineError: If ``n`` or ``turns`` is below 1, or the template has no place for the observation.
        DataError: If a column is missing, when run.

    Example:
        >>> from lit_iterative.environments import Retry
        >>> Rollout(Retry(), n=4, turns=3).requires
        ('prompt_ids', 'answer')
    """

    environment: Environment
    n: int = 8
    turns: int = 8
    sampling: Sampling = field(default_factory=Sampling)
    actor: Actor = field(default_factory=Policy)
    observation: str = "{observation}"
    context: str = "prompt_ids"
    stream: str = "rollout"

    def __post_init__(self) -> None:
        if self.n < 1 or self.turns < 1:
            raise PipelineError(f"Rollout has n {self.n} and turns {self.turns}. Give at least 1 of both.")
        if not check_template(self.observation):
            raise PipelineError(
                f"Rollout(observation) is {self.observation!r}. Give a text with the one place {{observation}}."
            )

    @property
    def requires(self) -> tuple[str, ...]:
        """The tokens to begin with, and what the environment is told."""
        return (self.context, *self.environment.requires)

    @property
    def provides(self) -> tuple[str, ...]:
        """The candidates."""
        return ("group", "candidate", "source", *COLUMNS)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the candidates of the prompts of one shard."""
        prompts, ids, tasks = ids_of(table, self.context), read(table, "id").tolist(), tasks_of(table, self.environment)
        first, members = self.n * earlier(ids), self.actor.members
        made: dict[tuple[int, int], Trajectory] = {}
        for turn, member in enumerate(members):
            places = [(row, number) for row in range(len(ids)) for number in range(turn, self.n, len(members))]
            names = [(str(ids[row]), int(first[row]) + number) for row, number in places]
            with context.model().language(member) as model:
                begun = [
                    Trajectory(self.environment, tasks[row], ids[row], prompts[row], self.observation, model)
                    for row, _ in places
                ]
                self._play(begun, names, model, context)
                made |= dict(zip(places, begun, strict=True))
        rows = table.take(pa.array(np.repeat(np.arange(table.num_rows), self.n)))
        rows = write(
            rows,
            group=rows.column("id"),
            candidate=(first[:, None] + np.arange(self.n)).reshape(-1).astype(np.int32),
            source=pa.array([type(self.actor).__name__] * rows.num_rows, pa.string()).dictionary_encode(),
        )
        context.tally.count("candidates", rows.num_rows)
        return told(rows, [made[place] for place in sorted(made)], context)

    def _play(
        self,
        trajectories: Sequence[Trajectory],
        names: Sequence[tuple[str, int]],
        model: LanguageModel,
        context: Context,
    ) -> None:
        """Let all trajectories go on, turn by turn, until they are over."""
        sampling = replace(self.sampling, stop=[*self.sampling.stop, *self.environment.stop])
        for turn in range(self.turns):
            live = [place for place, trajectory in enumerate(trajectories) if trajectory.finish is None]
            if not live:
                return
            seeds = [derive_seed(context.seed, self.stream, context.round, *names[place], turn) for place in live]
            drawn = model.generate([trajectories[place].read for place in live], seeds, sampling)
            for place, completion in zip(live, drawn, strict=True):
                trajectories[place].act(completion.ids, completion.finish)
