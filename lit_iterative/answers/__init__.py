"""Answers: find them in completions, compare them with a key, count votes, run code. Pure functions of text."""

from lit_iterative.answers.compare import Comparison, Exact, MultipleChoice, Numeric, WithUnits
from lit_iterative.answers.extract import (
    AfterMarker,
    Boxed,
    Choice,
    Extractor,
    LastNumber,
    Pattern,
    PythonBlock,
    WholeText,
)
from lit_iterative.answers.metrics import majority_at_k, majority_of_counts, pass_at_k

__all__ = [
    "AfterMarker",
    "Boxed",
    "Choice",
    "Comparison",
    "Exact",
    "Extractor",
    "LastNumber",
    "MultipleChoice",
    "Numeric",
    "Pattern",
    "PythonBlock",
    "WholeText",
    "WithUnits",
    "majority_at_k",
    "majority_of_counts",
    "pass_at_k",
]
