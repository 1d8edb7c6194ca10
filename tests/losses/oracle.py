"""A formula with many digits: its values, and its slopes by differences."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from mpmath import mp, mpf

mp.dps = 160

Row = SimpleNamespace
#: The policy's log-probabilities in a row, by the batch that it is a row of.
INPUTS = {"pairs": ("chosen", "rejected"), "unpaired": ("completion",), "supervised": ("completion",)}


@dataclass
class Oracle:
    """A formula, and arguments it is tried with besides the defaults, which differ from them in every parameter."""

    formula: Callable[..., list[Any]]
    defaults: dict[str, Any]
    others: dict[str, Any]
    derivative: Callable[..., list[list[Any]]] | None = field(default=None)

    def gradient(self, kind: str, rows: list[Any], weights: list[float], arguments: dict[str, Any]) -> list[list[Any]]:
        """Return the derivative of the weighted sum of losses by every input of every row."""
        if self.derivative is not None:
            each = self.derivative(rows, **arguments)
            return [[w * g for g in row] for w, row in zip(weights, each, strict=True)]
        return [
            [self._slope(rows, index, name, weights, arguments) for name in names_in(kind, row)]
            for index, row in enumerate(rows)
        ]

    def _slope(self, rows: list[Any], index: int, name: Any, weights: list[float], arguments: dict[str, Any]) -> Any:
        """Return a one-sided difference quotient: where a slope jumps, that above counts, as it does in the losses."""
        step = mpf(10) ** -80
        moved = [Row(**vars(row)) for row in rows]
        if isinstance(name, int):
            moved[index].completions = list(rows[index].completions)
            moved[index].completions[name] += step
        else:
            setattr(moved[index], name, getattr(rows[index], name) + step)
        ends = self.formula(rows, **arguments), self.formula(moved, **arguments)
        return sum(w * (after - before) for w, before, after in zip(weights, *ends, strict=True)) / step


def names_in(kind: str, row: Any) -> Any:
    """Return what a row's loss is differentiated by."""
    return range(len(row.completions)) if kind == "ranked" else INPUTS[kind]


def rowwise(formula: Callable[..., Any]) -> Callable[..., list[Any]]:
    """Return the formula for a list of rows."""
    return lambda rows, **arguments: [formula(row, **arguments) for row in rows]
