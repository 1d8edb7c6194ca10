"""Look into a round store: functions that return data, and text made of it."""

from lit_iterative.inspect.difference import Difference, compare
from lit_iterative.inspect.export import export
from lit_iterative.inspect.find import find_round, find_store
from lit_iterative.inspect.listing import RoundRow, list_rounds
from lit_iterative.inspect.show import RoundView, show_round
from lit_iterative.inspect.summary import summarise

__all__ = [
    "Difference",
    "RoundRow",
    "RoundView",
    "compare",
    "export",
    "find_round",
    "find_store",
    "list_rounds",
    "show_round",
    "summarise",
]
