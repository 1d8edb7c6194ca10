"""SelfInstruct: the policy writes new prompts, after examples from the pool."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from lit_iterative.columns import read, write
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.generation.language import Completion, Sampling
from lit_iterative.generation.prompt import text_of
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.propose.add_prompts import ROUND
from lit_iterative.ops.op import Op
from lit_iterative.ops.parameters import check_range, whole
from lit_iterative.ops.schedule import Schedule
from lit_iterative.pool import Pool
from lit_iterative.seeds import derive_seed, generator


@dataclass(frozen=True)
class SelfInstruct(Op):
    r"""Lets the policy write new prompts; ``AddPrompts`` behind it adds those that are new to the pool of later rounds.

    Self-Instruct (Wang et al., 2023, arXiv:2212.10560, section 2.2): the policy reads some prompts of the pool, most of
    them given and a few written by itself, and goes on with another. What is read is ``opening``, then each example
    between ``before`` and ``after``, then ``before``; what it writes up to the first ``after``, or to its end, is a new
    prompt.

    Put it first in the pipeline, in front of ops that leave prompts out. Which examples are drawn depends on the seed,
    the round and the number of the new prompt. A row of the table carries what is written on its behalf, so that the
    work is shared among ranks.

    Args:
        number: Prompts to write in a round.
        shots: Examples to read.
        own: Examples at most among them that the policy wrote in earlier rounds.
        opening: What stands in front of the examples.
        before: What stands in front of each prompt.
        after: What stands behind each prompt.
        sampling: How prompts are written.
        actor: Who writes; of several members each in turn.

    Provides ``written``: for every row the prompts that were written on its behalf, a list of texts that for most is
    empty. Counts ``written``, ``empty`` and ``unfinished``: neither with an ``after`` nor with an end.

    Raises:
        PipelineError: If a number makes no sense, or nothing stands behind prompts.
        DataError: If an item of the pool is no dictionary with a prompt, when run.

    Example:
        >>> SelfInstruct(number=32, before="Task: ", after="\n").provides
        ('written',)
    """

    number: int | Schedule = 16
    shots: int = 8
    own: int = 2
    opening: str = "Come up with a series of tasks:\n\n"
    before: str = "Task: "
    after: str = "\n"
    sampling: Sampling = field(default_factory=Sampling)
    actor: Actor = field(default_factory=Policy)
    runs_model: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_range("SelfInstruct(number)", self.number, 0)
        check_range("SelfInstruct(shots)", self.shots, 1)
        check_range("SelfInstruct(own)", self.own, 0)
        if not self.after:
            raise PipelineError("SelfInstruct(after) is empty, so that no prompt ends. Give a line break, for example.")

    @property
    def provides(self) -> tuple[str, ...]:
        """What was written."""
        return ("written",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard with what was written on behalf of its rows."""
        return next(self.map([table], context))

    def map(self, shards: Iterable[pa.Table], context: Context) -> Iterator[pa.Table]:
        """Write shard after shard; who reads what is drawn once."""
        tasks = self._tasks(context)
        for table in shards:
            yield self._written(table, tasks, context)

    def _tasks(self, context: Context) -> dict[Any, list[tuple[int, str]]]:
        """Return the numbers of the prompts to write and what is to be read for each, by the id of a row."""
        texts, own = _prompts(context.pool)
        given = [place for place in range(len(texts)) if place not in own]
        rows = generator(context.seed, self.name, context.round).permutation(len(texts))
        tasks: dict[Any, list[tuple[int, str]]] = {}
        for number in range(whole(self.number)):
            draw = generator(context.seed, self.name, context.round, number)
            mine = draw.permutation(sorted(own))[: min(self.own, self.shots)].tolist()
            theirs = draw.permutation(given)[: self.shots - len(mine)].tolist()
            shots = [texts[place] for place in draw.permutation([*theirs, *mine]).astype(int)]
            shown = self.opening + "".join(f"{self.before}{text}{self.after}" for text in shots) + self.before
            id = context.pool.keys[rows[number % len(rows)]].item()
            tasks.setdefault(id, []).append((number, shown))
        return tasks

    def _written(self, table: pa.Table, tasks: dict[Any, list[tuple[int, str]]], context: Context) -> pa.Table:
        ids = read(table, "id").tolist()
        mine = [task for id in ids for task in tasks.get(id, [])]
        made = self._drawn(mine, context)
        context.tally.count("written", len(mine))
        texts: dict[int, str] = {}
        for (number, _), (completion, text) in zip(mine, made, strict=True):
            ended = self.after in text or completion.finish == "stop"
            text = text.split(self.after)[0].strip()
            context.tally.count("unfinished", int(not ended))
            context.tally.count("empty", int(ended and not text))
            if ended and text:
                texts[number] = text
        rows = [[texts[number] for number, _ in tasks.get(id, []) if number in texts] for id in ids]
        return write(table, written=pa.array(rows, pa.list_(pa.string())))

    def _drawn(self, tasks: list[tuple[int, str]], context: Context) -> list[tuple[Completion, str]]:
        """Return what the policy writes, and its text."""
        members = self.actor.members
        made: dict[int, tuple[Completion, str]] = {}
        for turn, member in enumerate(members):
            mine = [task for task in tasks if task[0] % len(members) == turn]
            seeds = [derive_seed(context.seed, self.name, context.round, number) for number, _ in mine]
            with context.model().language(member) as model:
                drawn = model.generate([model.encode(text) for _, text in mine], seeds, self.sampling)
                for (number, _), completion in zip(mine, drawn, strict=True):
                    made[number] = (completion, model.decode(completion.ids))
        return [made[number] for number, _ in tasks]


def _prompts(pool: Pool) -> tuple[list[str], set[int]]:
    """Return the texts of all prompts, and the places of those that the policy wrote."""
    dataset: Any = pool.dataset
    items = [dataset[place] for place in range(len(pool))]
    for item in items:
        if not isinstance(item, dict) or "prompt" not in item:
            has = sorted(item) if isinstance(item, dict) else type(item).__name__
            raise DataError(f"An item of the pool has {has}, but SelfInstruct reads its prompt. Use PromptData.")
    own = {place for place, item in enumerate(items) if item.get(ROUND) is not None}
    return [text_of(item["prompt"]) for item in items], own
