"""Sample: completions of every prompt, drawn from the policy."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read, write
from lit_iterative.errors import PipelineError
from lit_iterative.generation.gap import gaps
from lit_iterative.generation.language import Completion, LanguageModel, Sampling
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import column_of, ids_of, int_lists
from lit_iterative.ops.op import Op
from lit_iterative.ops.parameters import number
from lit_iterative.ops.schedule import Schedule
from lit_iterative.ops.tally import Tally
from lit_iterative.seeds import derive_seed
from lit_iterative.sequences import Tokens

#: Completions of each call whose log-probabilities are computed again, to compare them with the engine's.
GAP_ROWS = 4


@dataclass(frozen=True)
class Sample(Op):
    """Draws completions of every prompt.

    A draw depends on the seed, the round, the prompt's id, the candidate's number and the position in the completion,
    and on nothing else: neither on the rank nor on what else is in the batch (but for the last bit of a logit).

    Args:
        n: Completions of each prompt.
        sampling: How to draw.
        actor: Who draws; of several members, the candidates are dealt out in turn.
        context: The column of token ids to continue; another one than ``prompt_ids`` where what is read while
            sampling (a hint, a principle) is not what is trained on. A prompt may come in several contexts, one row
            behind the other: then its candidates are numbered on.
        stream: Name of the draws; give two Sample ops of one pipeline different ones.
        temperature: Takes the place of the one in ``sampling``; a schedule may change it from round to round.
        group: The column whose value tells which candidates are compared; another one than ``id`` where contexts of
            one prompt are not, such as the states of ``Turns``.

    Measures ``completion_tokens``, ``truncated_share``, and ``engine_gap`` where the engine tells log-probabilities.

    Provides:
        ``n`` rows a prompt, which stand together: ``group`` (the prompt's id), ``candidate`` (its number),
        ``completion_ids`` (with EOS where there is one), ``finish`` (``stop``, or ``length`` where it was cut),
        ``text`` (without special tokens), ``source`` (the actor).

    Raises:
        PipelineError: If ``n`` is below 1.

    Example:
        >>> Sample(4, Sampling(max_new_tokens=32, temperature=0.7)).requires
        ('prompt_ids',)
    """

    n: int = 8
    sampling: Sampling = field(default_factory=Sampling)
    actor: Actor = field(default_factory=Policy)
    context: str = "prompt_ids"
    stream: str = "sample"
    temperature: float | Schedule | None = None
    group: str = "id"
    runs_model: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.n < 1:
            raise PipelineError(f"Sample(n) is {self.n}. Draw at least one completion of each prompt.")

    @property
    def requires(self) -> tuple[str, ...]:
        """The tokens to continue, and whose candidates are compared."""
        return (self.context, *([self.group] if self.group != "id" else []))

    @property
    def provides(self) -> tuple[str, ...]:
        """The candidates."""
        return ("group", "candidate", "completion_ids", "finish", "text", "source")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the candidates of the prompts of one shard."""
        prompts, ids = ids_of(table, self.context), read(table, "id").tolist()
        first = self.n * earlier(ids)
        members, sampling = self.actor.members, self._sampling()
        made: dict[tuple[int, int], Completion] = {}
        for turn, member in enumerate(members):
            mine = range(turn, self.n, len(members))
            places = [(row, candidate) for row in range(len(prompts)) for candidate in mine]
            names = [(str(ids[row]), int(first[row]) + candidate) for row, candidate in places]
            seeds = [derive_seed(context.seed, self.stream, context.round, *name) for name in names]
            with context.model().language(member) as model:
                given = [prompts[row] for row, _ in places]
                drawn = model.generate(given, seeds, sampling)
                measure_gap(context.tally, model, given, drawn)
                made |= dict(zip(places, drawn, strict=True))
        ordered = [made[row, candidate] for row in range(len(prompts)) for candidate in range(self.n)]
        with context.model().language(members[0]) as model:
            return self._candidates(table, ordered, first, model, context)

    def _sampling(self) -> Sampling:
        return (
            self.sampling if self.temperature is None else replace(self.sampling, temperature=number(self.temperature))
        )

    def map(self, shards: Iterable[pa.Table], context: Context) -> Iterator[pa.Table]:
        """Sample shard after shard, and tell of the progress."""
        tables = list(shards)
        rows, done = sum(table.num_rows for table in tables), 0
        for table in tables:
            yield self(table, context)
            done += table.num_rows
            if context.progress is not None:
                context.progress(done, rows)

    def _candidates(
        self, table: pa.Table, made: list[Completion], first: Array, model: LanguageModel, context: Context
    ) -> pa.Table:
        rows = table.take(pa.array(np.repeat(np.arange(table.num_rows), self.n)))
        finish = [completion.finish for completion in made]
        lengths = [len(completion.ids) for completion in made]
        context.tally.count("candidates", len(made))
        context.tally.mean("completion_tokens", lengths)
        context.tally.mean("truncated_share", [name == "length" for name in finish])
        return write(
            rows,
            group=column_of(rows, self.group),
            candidate=(first[:, None] + np.arange(self.n)).reshape(-1).astype(np.int32),
            completion_ids=int_lists([completion.ids for completion in made]),
            finish=pa.array(finish, pa.string()),
            text=pa.array([model.decode(completion.ids) for completion in made], pa.string()),
            source=pa.array([type(self.actor).__name__] * len(made), pa.string()).dictionary_encode(),
        )


def measure_gap(tally: Tally, model: LanguageModel, prompts: Sequence[Tokens], drawn: Sequence[Completion]) -> None:
    """Measure how far the engine's log-probabilities are from the trainer's, where the engine tells its own.

    Args:
        tally: Gets ``engine_gap``, the mean of absolute differences in nats a token.
        model: The trainer's.
        prompts: What was continued.
        drawn: By the engine; a few of them are scored again.
    """
    told = [pair for pair in zip(prompts, drawn, strict=True) if pair[1].scores is not None][:GAP_ROWS]
    if told:
        scores = model.log_probs([prompt for prompt, _ in told], [completion.ids for _, completion in told])
        tally.mean("engine_gap", gaps([completion for _, completion in told], scores))


def earlier(ids: Sequence[Any]) -> Array:
    """Return how often each id came before, ``(rows,)``.

    Example:
        >>> earlier(["a", "a", "b", "a"])
        array([0, 1, 0, 2])
    """
    seen: Counter[Any] = Counter()
    times = []
    for id in ids:
        times.append(seen[id])
        seen[id] += 1
    return np.array(times, dtype=np.int64)
