"""What all judging ops share: whom they ask, how often, and how the verdicts are read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read
from lit_iterative.errors import PipelineError
from lit_iterative.generation.language import Sampling
from lit_iterative.generation.respondent import Answer, Respondent, Session
from lit_iterative.judging.rubric import Additive, Question, Rubric
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.judges import PolicyJudge
from lit_iterative.ops.op import Op
from lit_iterative.seeds import derive_seed


def _judging() -> Sampling:
    return Sampling(max_new_tokens=512, temperature=0.7)


@dataclass(frozen=True)
class Judging(Op):
    """Asks a judge. Equal questions have equal verdicts, in every round where the judge is the same.

    Args:
        judge: Whom to ask.
        rubric: What to ask.
        reading: ``text`` samples an answer and reads the verdict in it; ``probabilities`` reads how likely the judge is
            to say each verdict, with nothing drawn, and takes the expected one: ``sum_i p(s_i) s_i`` with ``p``
            normalised over the verdicts (Liu et al., 2023, arXiv:2303.16634, eq. 1). The latter suits small judges.
        judgements: Answers to each question, whose verdicts are averaged.
        sampling: How answers are drawn.

    Raises:
        PipelineError: If there are no judgements, several where nothing is drawn, or the rubric is for something else.
    """

    judge: Respondent = field(default_factory=PolicyJudge)
    rubric: Rubric = field(default_factory=Additive)
    reading: Literal["text", "probabilities"] = "text"
    judgements: int = 1
    sampling: Sampling = field(default_factory=_judging)
    runs_model: ClassVar[bool] = True
    #: What the rubric must ask about.
    places: ClassVar[tuple[str, ...]] = ("prompt", "completion")

    def __post_init__(self) -> None:
        if self.rubric.places != self.places:
            raise PipelineError(
                f"{self.name} asks about {self.places}, but {type(self.rubric).__name__} about {self.rubric.places}. "
                f"Give it another rubric, such as {'Comparison' if 'first' in self.places else 'Additive'}()."
            )
        if self.judgements < 1 or (self.judgements > 1 and self.reading == "probabilities"):
            raise PipelineError(
                f"{self.name} has judgements={self.judgements} with reading={self.reading!r}. Give 1 or more for "
                "texts, and 1 for probabilities, which are the same every time."
            )
        if self.reading == "text" and not self.rubric.marker:
            raise PipelineError(
                f"{self.name} reads verdicts in texts, but the rubric has no marker. Give one, or set reading: "
                "probabilities."
            )

    def verdicts(self, questions: Sequence[Question], table: pa.Table, context: Context) -> Array:
        """Return the worth of every verdict, ``(questions, judgements)``, float64; NaN where the judge abstains.

        Args:
            questions: What to ask.
            table: The rows that they are about.
            context: The round.
        """
        for name, number in _faults(questions).items():
            context.tally.count(name, number)
        context.tally.count("judgements", len(questions) * self.judgements)
        if not questions:
            return np.zeros((0, self.judgements))
        share = len(np.unique(read(table, "id"))) / len(context.pool)
        with self.judge.session(context.model, share) as session:
            probable = self.reading == "probabilities"
            values = self._expected(session, questions) if probable else self._said(session, questions, context)
        for name in sorted(session.counts):
            context.tally.count(name, session.counts[name])
        return values

    def _said(self, session: Session, questions: Sequence[Question], context: Context) -> Array:
        numbers = range(self.judgements)
        texts = [question.text for question in questions for _ in numbers]
        seeds = [
            derive_seed(context.seed, "judge", question.text, number) for question in questions for number in numbers
        ]
        answers = session.answers(texts, seeds, self.sampling)
        values = np.array([self._value(answer) for answer in answers], dtype=np.float64)
        unfinished = sum(answer is not None and answer.finish == "length" for answer in answers)
        answered = sum(answer is not None for answer in answers)
        context.tally.count("judge_unfinished", unfinished)
        context.tally.count("parse_failures", answered - unfinished - int((~np.isnan(values)).sum()))
        return values.reshape(len(questions), self.judgements)

    def _value(self, answer: Answer | None) -> float:
        """Return the worth of an answer; one that was cut off abstains, for its last verdict may be a quotation."""
        return float("nan") if answer is None or answer.finish == "length" else self.rubric.value(answer.text)

    def _expected(self, session: Session, questions: Sequence[Question]) -> Array:
        log_probs = session.log_probs([question.text for question in questions], self.rubric.replies)
        return expected(log_probs, self.rubric.values)[:, None]


def _faults(questions: Sequence[Question]) -> dict[str, int]:
    return {
        "judge_cut": sum(question.cut for question in questions),
        "judge_changed": sum(question.changed for question in questions),
        "fake_verdicts": sum(question.faked for question in questions),
    }


def expected(log_probs: Array, values: Sequence[float]) -> Array:
    """Return the expected worth, ``(questions,)``, by log-probabilities ``(questions, verdicts)`` that need not add up.

    Example:
        >>> expected(np.log([[0.1, 0.3]]), [0.0, 1.0]).round(6).tolist()
        [0.75]
    """
    with np.errstate(invalid="ignore"):  # of verdicts that are all impossible: NaN
        weights = np.exp(log_probs - log_probs.max(axis=1, keepdims=True))
    shares: Array = weights / weights.sum(axis=1, keepdims=True)
    return shares @ np.asarray(values, dtype=np.float64)


def mean_known(values: Array) -> Array:
    """Return the mean of each row without its NaN; NaN where nothing is left.

    Example:
        >>> mean_known(np.array([[1.0, np.nan], [np.nan, np.nan]])).tolist()
        [1.0, nan]
    """
    known = ~np.isnan(values)
    sums = np.where(known, values, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), sums / known.sum(axis=1).clip(min=1), np.nan)
