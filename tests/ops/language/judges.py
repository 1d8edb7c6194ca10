"""Functions and parts that a user might write, where YAML can import them."""

from dataclasses import dataclass
from typing import Any

from lit_iterative.answers import Comparison, Extractor


def ends_with_answer(text: str, row: dict[str, Any]) -> bool | None:
    """Abstains where there is no right answer."""
    return None if row["answer"] is None else text.endswith(str(row["answer"]))


def says(text: str, row: dict[str, Any]) -> Any:
    """Returns what the row says, and raises where it says so."""
    if row["says"] == "raise":
        raise RuntimeError("no such thing")
    return {"true": True, "half": 0.5, "abstain": None, "nan": float("nan"), "inf": float("inf")}[row["says"]]


@dataclass(frozen=True)
class Fussy(Comparison):
    """Raises on some answers, abstains on others."""

    def __call__(self, found: str, key: str) -> bool | None:
        if found == "raise":
            raise ZeroDivisionError("fussy")
        return None if found == "abstain" else found == key

    def canonical(self, text: str) -> str:
        if text == "raise":
            raise ZeroDivisionError("fussy")
        return text


@dataclass(frozen=True)
class FussyExtractor(Extractor):
    """Raises on some texts, and returns what is no valid text on others."""

    def __call__(self, text: str) -> str | None:
        if text == "raise":
            raise ZeroDivisionError("fussy")
        return "\udc80" if text == "odd" else text
