"""Numbers as people and models write them, found in text and read as exact fractions."""

import re
import unicodedata
from fractions import Fraction

from lit_iterative.answers.patterns import last_match

MAX_LENGTH = 200
MAX_EXPONENT = 300
MAX_BITS = 4096

_SEPARATOR = r"(?:,(?:\\!)?|\{,\}|\\,|[\u00a0\u2009\u202f])"
_INTEGER = rf"(?:\d{{1,3}}(?:{_SEPARATOR}\d{{3}})+(?!\d)|\d+)"
_MAGNITUDE = rf"(?:{_INTEGER}(?:\.\d+)?|(?<!\.)\.\d+)"
_LATEX = r"\\[dt]?frac\s?(?:\{\s?(?P<top>-?\d+)\s?\}\s?\{\s?(?P<under>\d+)\s?\}|(?P<top_digit>\d)(?P<under_digit>\d))"
_TIMES = r"\s?(?:[xX*\u00d7\u00b7\u22c5]|\\times|\\cdot)\s?"
_POWER_OF_TEN = rf"{_TIMES}10\^(?:\{{(?P<tens>[-+\u2212]?\d+)\}}|(?P<tens_bare>[-+\u2212]?\d+))"
_POWER = r"\^(?:\{(?P<power>[-+\u2212]?\d+)\}|(?P<power_bare>[-+\u2212]?\d+))"
_FRACTION = r"\s?/\s?(?P<divisor>\d+(?:\.\d+)?)"
_MIXED = r" (?P<mixed_top>\d+)\s?/\s?(?P<mixed_under>\d+)"

#: A number in running text. It does not begin within a word, a longer number or an exponent, and every repeat in it
#: ends where the next part begins, so that a search takes time in proportion to the text.
NUMBER = re.compile(
    r"(?<![A-Za-z_\d^])(?<!\d\.)(?<!\^\{)(?<!\^[-\u2212])(?<!\^\{[-\u2212])"
    rf"(?P<sign>(?<![)\]}}])[-+\u2212])?(?:\\?[$€£¥])?"
    rf"(?:(?P<magnitude>{_MAGNITUDE})"
    rf"(?:[eE](?P<exponent>[-+\u2212]?\d+)(?![A-Za-z\d])|{_POWER_OF_TEN}|{_POWER}|{_FRACTION}|{_MIXED}|{_LATEX})?"
    rf"|{_LATEX.replace('?P<', '?P<only_')})"
    r"(?P<percent>\s?\\?%)?"
)


def last_number(text: str) -> str | None:
    """Return the last number in a text as it is written there, and nothing where there is none.

    Example:
        >>> last_number("5 + 7 makes 12, or $1,234.50.")
        '$1,234.50'
        >>> last_number("The area is 25 m^2")
        '25'
    """
    found = last_match(NUMBER, text)
    return found.group() if found else None


def parse_number(text: str) -> Fraction | None:
    r"""Return the exact value of a number, and nothing where the text is not one number.

    Understood are signs, thousands separators, decimals, ``1/2``, ``1 1/2``, ``\frac{1}{2}``, ``50%`` (a half),
    ``1.5e3``, ``1.5 x 10^3``, ``2^10``, a currency sign in front, and the digits of all scripts. Numbers of more than
    200 characters, exponents beyond 300 and powers of more than 4096 bits are not: they would only cost time.

    Example:
        >>> parse_number("1,250.5"), parse_number("50%"), parse_number("twelve"), parse_number("1e999999999")
        (Fraction(2501, 2), Fraction(1, 2), None, None)
    """
    plain = _bare(text)
    found = NUMBER.fullmatch(plain) if len(plain) <= MAX_LENGTH else None
    return value_of(found) if found else None


def value_of(found: re.Match[str]) -> Fraction | None:
    """Return the exact value of a match of ``NUMBER``; nothing where it is too large, or divides by zero."""
    part = {name: _digits(text) for name, text in found.groupdict().items() if text is not None}
    if sum(map(len, part.values())) > 2 * MAX_LENGTH:
        return None
    try:
        value = _unsigned(part)
    except (ZeroDivisionError, OverflowError):
        return None
    value = value / 100 if "percent" in part else value
    return -value if part.get("sign") == "-" else value


def _unsigned(part: dict[str, str]) -> Fraction:
    """Return the value of the parts of a number, but for its sign and percent.

    Raises:
        ZeroDivisionError: If it divides by zero.
        OverflowError: If it is too large.
    """
    if "magnitude" not in part:
        return _latex({name.removeprefix("only_"): text for name, text in part.items()})
    value = Fraction(re.sub(r"[^\d.]", "", part["magnitude"]))
    if exponent := part.get("exponent") or part.get("tens") or part.get("tens_bare"):
        return value * Fraction(10) ** _small(exponent)
    if power := part.get("power") or part.get("power_bare"):
        return _to_power(value, _small(power))
    if "divisor" in part:
        return value / Fraction(part["divisor"])
    if "mixed_top" in part:
        return value + Fraction(int(part["mixed_top"]), int(part["mixed_under"]))
    if "top" in part or "top_digit" in part:
        return value + _latex(part)
    return value


def _latex(part: dict[str, str]) -> Fraction:
    top, under = part.get("top") or part["top_digit"], part.get("under") or part["under_digit"]
    return Fraction(int(top), int(under))


def _small(exponent: str) -> int:
    if len(exponent) > 5 or abs(int(exponent)) > MAX_EXPONENT:
        raise OverflowError(f"The exponent {exponent[:20]} is beyond {MAX_EXPONENT}.")
    return int(exponent)


def _to_power(value: Fraction, power: int) -> Fraction:
    if (value.numerator.bit_length() + value.denominator.bit_length()) * abs(power) > MAX_BITS:
        raise OverflowError(f"A power of more than {MAX_BITS} bits.")
    return value**power


def _bare(text: str) -> str:
    """Return a number without the space, dollars of LaTeX and full stop around it."""
    plain = text.strip() if len(text) <= 4 * MAX_LENGTH else text
    if len(plain) > 2 and plain[0] == plain[-1] == "$":
        plain = plain[1:-1].strip()
    return plain.rstrip(".").rstrip() if plain[-1:] == "." else plain


def _digits(text: str) -> str:
    """Return a text with the digits of any script as 0 to 9, and the minus sign as a hyphen."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else "-" if c == "\u2212" else c for c in text)
