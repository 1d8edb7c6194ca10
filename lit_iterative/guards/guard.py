"""A guard: a condition, and what follows when it is met."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lit_iterative.guards.actions import Action, Warn
from lit_iterative.guards.condition import Condition
from lit_iterative.guards.history import History
from lit_iterative.ops.parameters import check_range
from lit_iterative.rounds.verdict import Event, Verdict


@dataclass(frozen=True)
class Guard:
    """Watches every round.

    Args:
        condition: What must not be.
        action: What follows if it is.
        patience: Rounds in a row for which the condition must be met; noise passes, a drift stays.

    Raises:
        PipelineError: If ``patience`` is below 1.

    Example:
        >>> from lit_iterative.guards import Above, Stop
        >>> judge([Guard(Above("loss", 1.0), Stop())], History.of([{"loss": 2.0}])).stop
        True
    """

    condition: Condition
    action: Action = field(default_factory=Warn)
    patience: int = 1

    def __post_init__(self) -> None:
        check_range("Guard(patience)", self.patience, 1)


def judge(guards: Sequence[Guard], history: History) -> Verdict:
    """Return the verdict on the last round of a history: that of all guards, one after another.

    A guard whose metrics the round does not have decides nothing; it says so, but for the first round, in which some
    metrics are never known.
    """
    verdict = Verdict(factors=dict(history.records[-2].verdict.factors) if len(history.records) > 1 else {})
    for guard in guards:
        missing = _missing(guard.condition, history)
        said = None if missing else _said(guard, history)
        if said is not None:
            verdict = _with(verdict, Event(guard.condition.name, type(guard.action).__name__, said))
            verdict = guard.action(verdict, history)
        elif missing and len(history.records) > 1:
            verdict = _with(verdict, Event(guard.condition.name, None, f"cannot judge without {', '.join(missing)}"))
    return verdict


def _missing(condition: Condition, history: History) -> list[str]:
    return [name for name in condition.watches if not history.now.knows(name)]


def _said(guard: Guard, history: History) -> str | None:
    """Return what the condition says of the present round, if it has been met for long enough."""
    last = history.path[-guard.patience :]
    said = [_said_of(guard.condition, History(history.records[: record.round + 1])) for record in last]
    return said[-1] if len(said) == guard.patience and None not in said else None


def _said_of(condition: Condition, history: History) -> str | None:
    return None if _missing(condition, history) else condition(history)


def _with(verdict: Verdict, event: Event) -> Verdict:
    return replace(verdict, events=[*verdict.events, event])
