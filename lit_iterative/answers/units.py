"""Units behind or before a number: a few names for the same unit, and no conversion between units."""

import re
from dataclasses import dataclass
from fractions import Fraction

from lit_iterative.answers.numbers import NUMBER, parse_number

_NAMES: dict[str, str] = {
    "$": "dollar usd buck",
    "€": "euro eur",
    "£": "pound_sterling gbp",
    "¢": "cent",
    "%": "percent pct",
    "°": "degree deg",
    "km": "kilometer kilometre",
    "m": "meter metre",
    "cm": "centimeter centimetre",
    "mm": "millimeter millimetre",
    "mi": "mile",
    "ft": "foot feet",
    "in": "inch inche",
    "yd": "yard",
    "kg": "kilogram",
    "g": "gram",
    "mg": "milligram",
    "lb": "pound",
    "oz": "ounce",
    "l": "liter litre",
    "ml": "milliliter millilitre",
    "s": "second sec",
    "min": "minute",
    "h": "hour hr",
    "km/h": "kph kmh",
    "mi/h": "mph",
}
_SYNONYMS = {name: unit for unit, names in _NAMES.items() for name in names.split()}
_LATEX = re.compile(r"\\(?:text|mathrm|mbox|rm)\b|\\[,;! ]|[{}~\\]")
_WORD = re.compile(r"[^\W\d_]+|[0-9]+|[$€£¢%°/]")
_POWERS = {"²": "2", "³": "3"}


@dataclass(frozen=True)
class Quantity:
    """A number with a unit.

    Args:
        value: The number; nothing where there is none.
        unit: The unit in the words of :func:`unit_of`, or an empty text.
    """

    value: Fraction | None
    unit: str


def parse_quantity(text: str) -> Quantity:
    """Return the number at the start of a text, or behind a unit, and its unit.

    Percent is a unit here: ``50%`` is 50 with the unit ``%``.

    Example:
        >>> parse_quantity("2.5 kilometers"), parse_quantity("$5")
        (Quantity(value=Fraction(5, 2), unit='km'), Quantity(value=Fraction(5, 1), unit='$'))
    """
    text = text.strip()[-500:].rsplit("=", 1)[-1]
    found = NUMBER.search(text)
    if found is None:
        return Quantity(None, unit_of(text))
    number = found.group().rstrip("%\\ ")
    before, behind = unit_of(text[: found.start()]), text[found.start() + len(number) :]
    currency = next((character for character in number if character in "$€£"), before if before in _NAMES else "")
    return Quantity(parse_number(number), unit_of(f"{currency} {behind}"))


def unit_of(text: str) -> str:
    """Return a unit under its usual name: without case, plural, LaTeX, and with the sign for known words.

    Example:
        >>> unit_of("square meters"), unit_of("m^2"), unit_of("Kilometres per hour"), unit_of("apples")
        ('m2', 'm2', 'km/h', 'apple')
    """
    for sign, digit in _POWERS.items():
        text = text.replace(sign, digit)
    words = [_word(word) for word in _WORD.findall(_LATEX.sub(" ", text).lower())]
    unit, power = [], ""
    for word in words:
        if word in ("square", "sq", "cubic", "cu"):
            power = "3" if word.startswith("cu") else "2"
        else:
            unit.append(word + power)
            power = ""
    return "".join(unit)


def _word(word: str) -> str:
    """Return the usual name of one word."""
    if word == "per":
        return "/"
    single = word[:-1] if len(word) > 2 and word.endswith("s") and not word.endswith("ss") else word
    return _SYNONYMS.get(word) or _SYNONYMS.get(single) or single
