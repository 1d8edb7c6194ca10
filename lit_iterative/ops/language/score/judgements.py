"""Judgements: what a judge says of candidates, as candidates themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read, write
from lit_iterative.errors import PipelineError
from lit_iterative.generation.language import Sampling
from lit_iterative.judging.rubric import Additive, Question, Rubric
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.propose.hint import encoded
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.language.tokens import column_of, int_lists, texts_of
from lit_iterative.ops.op import Scope
from lit_iterative.seeds import generator

#: Candidates of one input, at most, that are told apart.
MOST = 2**20


@dataclass(frozen=True)
class Judgements(ModelOp):
    """Draws judgements of every candidate and makes them the candidates: of the question as their prompt.

    What follows scores, pairs or accepts judgements as it would any completion, and so trains the policy as a judge. Of
    a candidate come ``n`` judgements, a group of their own. With a rubric that compares, such as ``Comparison()``, the
    candidate meets the text in ``against``, in an order that is drawn.

    Args:
        rubric: What is asked, and how a verdict is read.
        n: Judgements of each candidate.
        sampling: How they are drawn.
        actor: Who judges.
        against: The column of the text that the candidate is compared with, for rubrics that compare.

    Requires ``group``, ``candidate``, ``prompt``, ``text`` and ``against``. Provides rows as ``Sample`` does, with the
    question as ``prompt`` and ``prompt_ids``, and a ``group`` for each candidate; and ``scores.verdict``: what the
    verdict is worth for the candidate, NaN where there is none or the judgement was cut.
    Counts ``parse_failures`` (verdicts that could not be read) and what ``Sample`` counts, and measures ``verdict``.

    Raises:
        PipelineError: If ``n`` is below 1, a rubric that compares has nothing to compare with, or another one has.

    Source: judgements as what is trained on, Wu et al., 2024 (Meta-Rewarding), arXiv:2407.19594; with known verdicts,
    Wang et al., 2024 (Self-Taught Evaluators), arXiv:2408.02666.

    Example:
        >>> from lit_iterative.judging.rubric import Comparison
        >>> Judgements(Comparison(), against="worse").requires
        ('group', 'candidate', 'prompt', 'text', 'worse')
    """

    rubric: Rubric = field(default_factory=Additive)
    n: int = 4
    sampling: Sampling = field(default_factory=Sampling)
    actor: Actor = field(default_factory=Policy)
    against: str | None = None
    scope: ClassVar[Scope] = "group"

    def __post_init__(self) -> None:
        if self.n < 1:
            raise PipelineError(f"Judgements(n) is {self.n}. Draw at least one judgement of each candidate.")
        if ("first" in self.rubric.places) != (self.against is not None):
            raise PipelineError(
                f"Judgements(against) is {self.against!r}, but {type(self.rubric).__name__} asks about "
                f"{self.rubric.places}. Name the column to compare with for a rubric that compares, and only for one."
            )
        if not self.rubric.marker:
            raise PipelineError("Judgements reads verdicts in texts, but the rubric has no marker. Give one.")

    @property
    def requires(self) -> tuple[str, ...]:
        """What is judged."""
        return ("group", "candidate", "prompt", "text", *([self.against] if self.against else []))

    @property
    def provides(self) -> tuple[str, ...]:
        """The judgements."""
        return (
            *("group", "candidate", "prompt", "prompt_ids", "text", "completion_ids", "finish", "source"),
            "scores.verdict",
        )

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the judgements of the candidates of one shard."""
        groups, turned = _groups(table, context), self._turned(table, context)
        questions = [self.rubric.ask(texts, context.seed) for texts in self._texts(table, turned)]
        asked = write(
            table,
            prompt=pa.array([question.text for question in questions], pa.string()),
            prompt_ids=int_lists(encoded(table, [question.text for question in questions], context)),
        )
        made = Sample(self.n, self.sampling, self.actor, stream="judgements")(asked, context)
        made = write(made, group=groups.take(pa.array(np.repeat(np.arange(table.num_rows), self.n))))
        return self._scored(made, turned.repeat(self.n), questions, context)

    def _turned(self, table: pa.Table, context: Context) -> Array:
        """Return which candidates are shown second, ``(rows,)``."""
        if self.against is None:
            return np.zeros(table.num_rows, dtype=bool)
        keys = zip(read(table, "id").tolist(), texts_of(table, "text"), strict=True)
        draws = [generator(context.seed, "order", context.round, str(key), text).integers(2) for key, text in keys]
        return np.array(draws, dtype=bool)

    def _texts(self, table: pa.Table, turned: Array) -> list[Mapping[str, str]]:
        prompts, texts = texts_of(table, "prompt"), texts_of(table, "text")
        if self.against is None:
            return [{"prompt": prompt, "completion": text} for prompt, text in zip(prompts, texts, strict=True)]
        pairs = zip(prompts, texts, texts_of(table, self.against), turned.tolist(), strict=True)
        return [
            {"prompt": prompt, "first": other if second else text, "second": text if second else other}
            for prompt, text, other, second in pairs
        ]

    def _scored(self, made: pa.Table, turned: Array, questions: list[Question], context: Context) -> pa.Table:
        said = zip(texts_of(made, "text"), texts_of(made, "finish"), strict=True)
        worth = np.array([self.rubric.value(text) if end == "stop" else np.nan for text, end in said], dtype=np.float64)
        context.tally.count("parse_failures", int(np.isnan(worth).sum()))
        context.tally.count("judge_changed", sum(question.changed for question in questions))
        verdict = np.where(turned, 1 - worth, worth)
        context.tally.mean("verdict", verdict)
        return write(made, **{"scores.verdict": verdict})


def _groups(table: pa.Table, context: Context) -> pa.Array:
    """Return a name for every candidate, of the type that groups have: it follows from its group and its number."""
    groups, numbers = column_of(table, "group"), read(table, "candidate").tolist()
    if pa.types.is_string(groups.type):
        return pa.array(
            [f"{group}/{number}" for group, number in zip(groups.to_pylist(), numbers, strict=True)], pa.string()
        )
    places = context.pool.positions(read(table, "id")).tolist()
    return pa.array([place * MOST + number for place, number in zip(places, numbers, strict=True)], pa.int64())
