"""Canaries: inputs with known answers, hidden in the pool, that tell how right the policy is and never train."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, keep, read
from lit_iterative.errors import PipelineError
from lit_iterative.ops.calibration import calibration_error
from lit_iterative.ops.context import Context
from lit_iterative.ops.op import Op, Scope
from lit_iterative.ops.parameters import check_range
from lit_iterative.ops.ranking import read_score
from lit_iterative.ops.tally import Tally
from lit_iterative.seeds import derive_seed


@dataclass(frozen=True)
class Canaries(Op):
    """Takes canaries out of the labelled inputs, and measures how right their labels are.

    Put it behind the ops that label and in front of those that select, in every phase, or its accuracy is that of
    selected labels.

    Args:
        answers: Their classes by id, the id as text.

    Requires ``label`` and ``scores.confidence``. Counts ``canaries``; measures ``canary_accuracy``,
    ``canary_confidence`` and ``canary_calibration_error`` (Guo et al., 2017, arXiv:1706.04599, equation 3; 15 bins).

    Raises:
        PipelineError: If there are no answers, or one is below 0.
        DataError: If a confidence is NaN, when run.

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> from lit_iterative.pool import Pool
        >>> table = example(id=[0, 1, 2], label=[1, 0, 1], **{"scores.confidence": [0.75, 0.75, 1.0]})
        >>> context = Context(Pool([7, 8, 9], 1))
        >>> show(Canaries({"0": 1, "1": 1})(table, context), "id")
        [2]
        >>> context.tally.values()["canary_accuracy"]
        0.5
    """

    answers: dict[str, int]
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        if not self.answers:
            raise PipelineError("Canaries has no answers. Give the class of at least one input, or leave the op out.")
        wrong = {key: answer for key, answer in self.answers.items() if answer < 0}
        if wrong:
            raise PipelineError(f"Canaries has the answers {wrong}. Classes count from 0; leave out what is not known.")

    @property
    def requires(self) -> tuple[str, ...]:
        """What is compared with the answers."""
        return ("label", "scores.confidence")

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the rows of other inputs."""
        label, confidence = read(table, "label"), read_score(table, "scores.confidence")
        label = label.argmax(axis=1) if label.ndim == 2 else label
        truth = np.array([self.answers.get(str(key), -1) for key in read(table, "id").tolist()], dtype=np.int64)
        hidden = truth >= 0
        _measure(context.tally, (label == truth)[hidden], confidence[hidden])
        return keep(table, ~hidden)


@dataclass(frozen=True)
class ScoredCanaries(Op):
    """Takes all candidates of canaries out of the table, and measures how right they are.

    Canaries are inputs with an answer key, by which ``Verify`` has scored their candidates, in a pipeline that trains
    without keys, by votes or judges. They are the same in every round. Put it in front of the ops that select or build.

    Args:
        share: Share of the inputs with a known answer that are canaries.
        ids: Their ids, where they are chosen by hand; give this or ``share``.
        correct: The column that says how right a candidate is, NaN where that is unknown.
        confidence: A column in [0, 1] that says how sure the pipeline is of it, NaN where that is unknown, for the
            calibration.

    Requires ``correct`` and ``confidence``. Counts ``canaries``, candidates of them that were judged; measures
    ``canary_accuracy``, and with ``confidence`` ``canary_confidence`` and ``canary_calibration_error``.

    Raises:
        PipelineError: If not exactly one of ``share`` and ``ids`` is given, or the share is not in (0, 1].

    Example:
        >>> from lit_iterative.ops.testing import example, show
        >>> from lit_iterative.pool import Pool
        >>> table = example(id=[0, 0, 1], **{"scores.correct": [1.0, 0.0, 1.0], "scores.vote": [0.5, 0.5, 1.0]})
        >>> context = Context(Pool([7, 8], 1))
        >>> show(ScoredCanaries(ids=[0], confidence="scores.vote")(table, context), "id")
        [1]
        >>> context.tally.values()["canary_accuracy"]
        0.5
    """

    share: float | None = None
    ids: list[Any] | None = None
    correct: str = "scores.correct"
    confidence: str | None = None
    scope: ClassVar[Scope] = "global"

    def __post_init__(self) -> None:
        if (self.share is None) == (self.ids is None):
            raise PipelineError(f"ScoredCanaries has share {self.share} and ids {self.ids}. Give exactly one of them.")
        check_range("ScoredCanaries(share)", self.share, 0, 1, open_low=True)

    @property
    def requires(self) -> tuple[str, ...]:
        """How right and how sure candidates are."""
        return (self.correct, *([self.confidence] if self.confidence else []))

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the candidates of other inputs."""
        ids, correct = read(table, "id"), read(table, self.correct).astype(np.float64)
        judged = ~np.isnan(correct)
        hidden = drawn(ids, self.share, self.ids, context.seed) & np.isin(ids, ids[judged])
        seen = hidden & judged
        sure = None if self.confidence is None else read(table, self.confidence)[seen]
        _measure(context.tally, correct[seen] >= 0.5, sure)
        return keep(table, ~hidden)


def drawn(ids: Array, share: float | None, chosen: Collection[Any] | None, seed: int) -> Array:
    """Tell which ids are canaries: those that were chosen, or a share that depends on the seed and the id alone.

    Example:
        >>> drawn(np.arange(5), None, [1, 4], seed=0)
        array([False,  True, False, False,  True])
    """
    if chosen is not None:
        return np.isin(ids, np.asarray(list(chosen)))
    limit = (share or 0.0) * 2**63
    known, place = np.unique(ids, return_inverse=True)
    return np.array([derive_seed(seed, "canary", str(key)) < limit for key in known.tolist()], dtype=bool)[place]


def _measure(tally: Tally, right: Array, confidence: Array | None) -> None:
    tally.count("canaries", len(right))
    tally.mean("canary_accuracy", right)
    if confidence is None:
        return
    known = ~np.isnan(confidence)
    if known.any():
        tally.mean("canary_confidence", confidence[known])
        tally.mean("canary_calibration_error", [calibration_error(confidence[known], right[known])])
