"""Conditions on what collapses: classes, wordings, answers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lit_iterative.guards.condition import Condition
from lit_iterative.guards.history import History, best
from lit_iterative.ops.parameters import check_range

COUNTS = "round/label_counts"


def effective(counts: Sequence[float]) -> float:
    """Return how many equally frequent classes would be as diverse: ``exp(-sum_c p_c ln p_c)``.

    That is the perplexity of the classes (Hill, 1973, "Diversity and evenness", order 1); 0 without rows.

    Example:
        >>> effective([5, 5, 0, 0])
        2.0
    """
    total = sum(counts)
    shares = [count / total for count in counts if count > 0]
    return math.exp(-sum(share * math.log(share) for share in shares)) if shares else 0.0


@dataclass(frozen=True)
class ClassCollapse(Condition):
    """Labels fall into fewer and fewer classes.

    Args:
        keep: Share of the effective number of classes that must be left.
        classes: That number where all is well; that of the first round when left out.

    Raises:
        PipelineError: If ``keep`` is not in [0, 1].

    Example:
        >>> ClassCollapse(0.75)(History.of([{"round/label_counts": [5, 5]}, {"round/label_counts": [0, 9]}]))
        'labels fall into 1.00 effective classes, of 2.00'
    """

    keep: float = 0.7
    classes: float | None = None

    def __post_init__(self) -> None:
        check_range("ClassCollapse(keep)", self.keep, 0, 1)

    @property
    def watches(self) -> tuple[str, ...]:
        """Rows by class."""
        return (COUNTS,)

    def __call__(self, history: History) -> str | None:
        """Compare the effective number of classes."""
        known = [effective(record.metrics[COUNTS]) for record in history.path if record.metrics.get(COUNTS)]
        whole = known[0] if self.classes is None else self.classes
        if known[-1] >= self.keep * whole:
            return None
        return f"labels fall into {known[-1]:.2f} effective classes, of {whole:.2f}"


@dataclass(frozen=True)
class DistinctCollapse(Condition):
    """Completions of a prompt say the same: distinct-n has fallen since the first round.

    Args:
        n: Length of the n-grams; the pipeline needs ``DistinctN`` with it.
        keep: Share of the first round's value that must be left.

    Raises:
        PipelineError: If ``keep`` is not in [0, 1].

    Example:
        >>> DistinctCollapse()(History.of([{"round/distinct_2": 0.8}, {"round/distinct_2": 0.2}]))
        'round/distinct_2 fell from 0.8 to 0.2'
    """

    n: int = 2
    keep: float = 0.5

    def __post_init__(self) -> None:
        check_range("DistinctCollapse(keep)", self.keep, 0, 1)

    @property
    def watches(self) -> tuple[str, ...]:
        """The share of distinct n-grams."""
        return (f"round/distinct_{self.n}",)

    def __call__(self, history: History) -> str | None:
        """Compare it with the first round's."""
        return fallen(history, self.watches[0], self.keep)


@dataclass(frozen=True)
class AnswerCollapse(Condition):
    """The final answers of a prompt become one: their entropy has fallen since the first round.

    A policy that learns the right answers becomes certain as well; name the metric that would show it.

    Args:
        keep: Share of the first round's entropy that must be left.
        held_out: A metric to be large; as long as it is at its best, certainty is taken for learning.

    Raises:
        PipelineError: If ``keep`` is not in [0, 1].

    Example:
        >>> AnswerCollapse()(History.of([{"round/answer_entropy": 0.9}, {"round/answer_entropy": 0.1}]))
        'round/answer_entropy fell from 0.9 to 0.1'
    """

    keep: float = 0.25
    held_out: str | None = None

    def __post_init__(self) -> None:
        check_range("AnswerCollapse(keep)", self.keep, 0, 1)

    @property
    def watches(self) -> tuple[str, ...]:
        """The entropy, and what would show that it falls for good reason."""
        return ("round/answer_entropy", *([self.held_out] if self.held_out else []))

    def __call__(self, history: History) -> str | None:
        """Compare it with the first round's."""
        if self.held_out is not None:
            values = history.series(self.held_out)
            if len(values) > 1 and best(values, "max") == len(values) - 1:
                return None
        return fallen(history, self.watches[0], self.keep)


def fallen(history: History, metric: str, keep: float) -> str | None:
    """Say that a metric has fallen below a share of what it was in the first round, if it has."""
    first, *_, now = [*history.series(metric)[:1], *history.series(metric)]
    return f"{metric} fell from {first:.4g} to {now:.4g}" if now < keep * first else None
