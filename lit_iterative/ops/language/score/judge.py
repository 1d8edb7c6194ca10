"""Judge: a score for every completion from a judge that reads it."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.verdicts import Judging, mean_known
from lit_iterative.ops.language.tokens import texts_of


@dataclass(frozen=True)
class Judge(Judging):
    """Scores each completion by what a judge says of it.

    A completion cannot speak for the judge: it stands in tags that it cannot contain, its special tokens are broken,
    its middle is left out where it is long, and a verdict is read in the judge's own words alone.

    Args:
        judge: Whom to ask: ``PolicyJudge()``, ``LocalJudge(path)`` or ``Endpoint(url, model)``.
        rubric: What to ask; ``Additive()`` grades from 0 to 5.
        reading: ``text`` or ``probabilities``, see :class:`~lit_iterative.ops.language.score.verdicts.Judging`.
        judgements: Answers to each question, whose verdicts are averaged; those that abstain are left out.
        sampling: How answers are drawn.
        score: Name of the score.

    Requires ``prompt`` and ``text``; provides ``scores.<score>`` ``(rows,)``, float64, NaN where the judge abstains.

    Counts:
        ``judgements`` asked for; ``judge_abstains``, rows without a verdict; ``parse_failures``, answers without one;
        ``judge_unfinished``, answers cut off; ``judge_cut``, texts too long; ``judge_changed``, texts with something
        broken in them; ``fake_verdicts``, texts that hold one; and what the judge itself counts.

    Source: a policy that grades itself, several judgements averaged: Yuan et al., 2024, arXiv:2401.10020.

    Example:
        >>> from lit_iterative.generation.endpoint import Endpoint
        >>> Judge(Endpoint("http://localhost:8000/v1", "my-judge"), judgements=3).provides
        ('scores.judge',)
    """

    score: str = "judge"

    @property
    def requires(self) -> tuple[str, ...]:
        """The texts."""
        return ("prompt", "text")

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return (f"scores.{self.score}",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard with its scores."""
        both = zip(texts_of(table, "prompt"), texts_of(table, "text"), strict=True)
        questions = [self.rubric.ask({"prompt": prompt, "completion": text}, context.seed) for prompt, text in both]
        scores = mean_known(self.verdicts(questions, table, context))
        context.tally.count("judge_abstains", int(np.isnan(scores).sum()))
        context.tally.mean("judge_score", scores)
        return write(table, **{f"scores.{self.score}": scores})
