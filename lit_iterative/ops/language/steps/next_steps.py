"""NextSteps: single steps that continue a prompt, or what has been written behind it."""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from lit_iterative.columns import keep, read, write
from lit_iterative.errors import PipelineError
from lit_iterative.generation.forward import Member
from lit_iterative.generation.language import Sampling
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.language.steps.steps import check_separator, ends_step, roots
from lit_iterative.ops.language.tokens import ids_of, lengths_of, texts_of

#: What is taken from completions as they are.
DRAWN = ("candidate", "completion_ids", "finish", "text", "source")


@dataclass(frozen=True)
class NextSteps(ModelOp):
    r"""Draws steps that continue every prompt, or every state that an op such as ``FirstDrop`` leaves.

    A step ends behind the separator, or with the solution. A draw depends on the seed, the round, the name of the state
    and the candidate's number alone.

    Args:
        n: Steps of each state.
        sampling: How a step is drawn; ``max_new_tokens`` is its length at most.
        separator: The text with which a step ends.
        actor: Who draws.
        stream: Name of the draws; give two of one pipeline different ones.

    Requires ``prompt`` and ``prompt_ids``; where there are ``prefix_ids``, also ``group`` and ``step``. Provides ``n``
    rows a state: ``group`` (its name), ``prefix_ids``, ``step`` (steps before), ``candidate``, ``completion_ids``,
    ``finish`` (``length`` where the step was cut), ``text``, ``source`` and ``done`` (whether the solution ends with
    it). Counts ``no_room`` (states as long as the model's context, which are left out), beside what ``Sample`` does.

    Raises:
        PipelineError: If ``n`` is below 1, or the separator is empty.
        DataError: If a prompt has several rows, when run.

    Example:
        >>> NextSteps(4, Sampling(max_new_tokens=32), "\n\n").requires
        ('prompt', 'prompt_ids')
    """

    n: int = 4
    sampling: Sampling = field(default_factory=Sampling)
    separator: str = "\n"
    actor: Actor = field(default_factory=Policy)
    stream: str = "steps"

    def __post_init__(self) -> None:
        check_separator(self.name, self.separator)
        if self.n < 1:
            raise PipelineError(f"NextSteps(n) is {self.n}. Draw at least one step of each state.")

    @property
    def requires(self) -> tuple[str, ...]:
        """The prompts."""
        return ("prompt", "prompt_ids")

    @property
    def provides(self) -> tuple[str, ...]:
        """The steps."""
        return ("group", "prefix_ids", "step", *DRAWN, "done")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the steps that continue the states of one shard."""
        texts_of(table, "prompt")
        states = roots(table)
        with context.model().language(Member()) as model:
            room = lengths_of(states, "prompt_ids") < model.context
            context.tally.count("no_room", int((~room).sum()))
            states = keep(states, room)
            drawn = self._drawn(states, context)
            rows = states.take(pa.array(np.repeat(np.arange(states.num_rows), self.n)))
            steps = zip(ids_of(drawn, "completion_ids"), texts_of(drawn, "finish"), strict=True)
            done = [finish == "stop" and not ends_step(ids, model.decode, self.separator) for ids, finish in steps]
        return write(rows, **{name: drawn.column(name) for name in DRAWN}, done=pa.array(done, pa.bool_()))

    def _drawn(self, states: pa.Table, context: Context) -> pa.Table:
        sampling = replace(self.sampling, stop=[*self.sampling.stop, self.separator])
        names = zip(texts_of(states, "group"), read(states, "step").tolist(), strict=True)
        given = write(
            states.select(["prompt_ids"]), id=pa.array([f"{name} {step}" for name, step in names], pa.string())
        )
        return Sample(self.n, sampling, self.actor, stream=self.stream)(given, context)
