"""Comparisons: whether a found answer is the right one, and which answers vote together."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from lit_iterative.answers.extract import Choice, WholeText
from lit_iterative.answers.numbers import parse_number
from lit_iterative.answers.units import Quantity, parse_quantity
from lit_iterative.errors import PipelineError


class Comparison(ABC):
    """Compares answers. Subclass it as a frozen dataclass whose fields are its parameters."""

    @abstractmethod
    def __call__(self, found: str, key: str) -> bool | None:
        """Tell whether a found answer is right; nothing where this cannot be judged.

        Args:
            found: What a completion answers.
            key: The right answer.
        """

    def canonical(self, text: str) -> str:
        """Return a text that is the same for all answers that vote together."""
        return " ".join(text.split())


@dataclass(frozen=True)
class Exact(Comparison):
    """The same characters.

    Args:
        ignore_case: Whether capitals count as small letters.
        ignore_space: Whether all runs of white space are one space, and none at both ends.

    Example:
        >>> Exact()(" New  York", "new york"), Exact(ignore_case=False)("A", "a")
        (True, False)
    """

    ignore_case: bool = True
    ignore_space: bool = True

    def __call__(self, found: str, key: str) -> bool:
        """Tell whether they are the same."""
        return self.canonical(found) == self.canonical(key)

    def canonical(self, text: str) -> str:
        """Return the text as it is compared."""
        text = " ".join(text.split()) if self.ignore_space else text
        return text.casefold() if self.ignore_case else text


@dataclass(frozen=True)
class Numeric(Comparison):
    """The same number, by exact arithmetic: ``|found - key| <= max(absolute, relative * |key|)``.

    A percentage is a hundredth: ``50%`` is ``0.5`` and ``1/2``, and not 50. A found answer that is no number is
    wrong. A key that is no number cannot be judged, unless the found answer is the same text.

    Answers vote together where they are exactly the same number, whatever the tolerance, which would not make
    classes: of 1, 1.5 and 2, the middle one is near both others, and they are not near each other.

    Args:
        relative: Tolerance as a share of the key, 0 or more.
        absolute: Tolerance as a number, 0 or more.

    Raises:
        PipelineError: If a tolerance is negative or not finite.

    Example:
        >>> [Numeric()(found, "1/2") for found in ("0.50", ".5", "50%", "50", "half")]
        [True, True, True, False, False]
        >>> Numeric()("1/2", "one half") is None
        True
        >>> {Numeric().canonical(text) for text in ("0.50", "1/2", "50%", ".5")}
        {'1/2'}
    """

    relative: float = 1e-6
    absolute: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("relative", self.relative), ("absolute", self.absolute)):
            if not 0 <= value < float("inf"):
                raise PipelineError(f"{type(self).__name__}({name}) is {value}. Give a number from 0 on.")

    def __call__(self, found: str, key: str) -> bool | None:
        """Tell whether they are about the same number."""
        right = parse_number(key)
        if right is None:
            return _same_text(found, key)
        return self.is_near(parse_number(found), right)

    def is_near(self, value: Fraction | None, key: Fraction) -> bool:
        """Tell whether a number is within the tolerance of the key; no number is not."""
        tolerance = max(Fraction(self.absolute), Fraction(self.relative) * abs(key))
        return value is not None and abs(value - key) <= tolerance

    def canonical(self, text: str) -> str:
        """Return the number as a fraction in lowest terms, or the text where it is no number."""
        value = parse_number(text)
        return Exact().canonical(text) if value is None else str(value)


@dataclass(frozen=True)
class WithUnits(Numeric):
    """The same number with a unit, tolerant of how the unit is named: ``5 km`` is ``5 kilometres``.

    Nothing is converted: ``5 km`` is not ``5000 m``. Percent is a unit here, so that ``50%`` is ``50``. Where an answer
    has no number, or the key has none, it is as for :class:`Numeric`.

    Args:
        relative: Tolerance as a share of the key, 0 or more.
        absolute: Tolerance as a number, 0 or more.
        units: ``"match"``: where both have a unit, it must be the same. ``"ignore"``: units do not count.

    Answers vote together where number and unit are the same, so that ``5`` and ``5 km`` vote apart unless units are
    ignored.

    Raises:
        PipelineError: If a tolerance is negative or not finite, or ``units`` is something else.

    Example:
        >>> [WithUnits()(found, "5 km") for found in ("5 kilometers", "5", "5 miles")]
        [True, True, False]
        >>> WithUnits(units="ignore")("5 miles", "5 km")
        True
    """

    units: Literal["match", "ignore"] = "match"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.units not in ("match", "ignore"):
            raise PipelineError(f"WithUnits(units) is {self.units!r}. Give 'match' or 'ignore'.")

    def __call__(self, found: str, key: str) -> bool | None:
        """Tell whether they are about the same number, and not of different units."""
        right, given = parse_quantity(key), parse_quantity(found)
        if right.value is None:
            return _same_text(found, key)
        return self.is_near(given.value, right.value) and not self._clash(given, right)

    def _clash(self, given: Quantity, right: Quantity) -> bool:
        both = given.unit and right.unit and self.units == "match"
        return bool(both) and given.unit != right.unit

    def canonical(self, text: str) -> str:
        """Return the number, with its unit where units count, or the text where there is no number."""
        quantity = parse_quantity(text)
        if quantity.value is None:
            return Exact().canonical(text)
        return str(quantity.value) if self.units == "ignore" else f"{quantity.value} {quantity.unit}".strip()


@dataclass(frozen=True)
class MultipleChoice(Comparison):
    """The same letter of a multiple-choice question, however each is written.

    A found answer without a letter is wrong; a key without one cannot be judged.

    Args:
        letters: The letters there are, capitals from A to Z.

    Raises:
        PipelineError: If there are none, or others.

    Example:
        >>> MultipleChoice()("(b)", "B"), MultipleChoice()("Answer: C", "B"), MultipleChoice()("B", "seven")
        (True, False, None)
    """

    letters: str = "ABCDE"
    _choice: Choice = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_choice", Choice(self.letters))

    def __call__(self, found: str, key: str) -> bool | None:
        """Tell whether they are the same letter."""
        right = self._letter(key)
        return None if right is None else self._letter(found) == right

    def _letter(self, text: str) -> str | None:
        """Return the letter in a text; a small letter that stands alone counts too."""
        whole = WholeText()(text)
        if whole is None:
            return None
        return self._choice(whole.upper() if len(whole) == 1 else whole)

    def canonical(self, text: str) -> str:
        """Return the letter, or the text where there is none."""
        return self._letter(text) or Exact().canonical(text)


def _same_text(found: str, key: str) -> bool | None:
    """Tell that an answer is the key, character for character but for space and case; nothing where it is not."""
    return Exact()(found, key) or None
