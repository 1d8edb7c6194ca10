"""Arithmetic: the value of a term that anybody may have written."""

import re
from collections import deque
from fractions import Fraction

TOKEN = re.compile(r"\s*(\d+(?:\.\d+)?|[-+*/()])")
LONGEST = 200


def value_of(text: str) -> Fraction | None:
    """Return the exact value of sums, differences, products and quotients of numbers, with brackets.

    Args:
        text: Any text, of 200 characters at most.

    Returns:
        The value; none where the text is no such term, or divides by 0.

    Example:
        >>> value_of("2 + 3*(4 - 1)"), value_of("1/3"), value_of("1/0"), value_of("x")
        (Fraction(11, 1), Fraction(1, 3), None, None)
    """
    text = text.strip()
    if not text or len(text) > LONGEST or TOKEN.sub("", text):
        return None
    tokens = deque(TOKEN.findall(text))
    try:
        value = _sum(tokens)
    except (IndexError, ValueError, ZeroDivisionError):
        return None
    return None if tokens else value


def written(value: Fraction) -> str:
    """Return a value as people write it: whole, or as a decimal number of up to ten digits.

    Example:
        >>> written(Fraction(12)), written(Fraction(1, 3))
        ('12', '0.3333333333')
    """
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.10g}"


def _sum(tokens: deque[str]) -> Fraction:
    value = _product(tokens)
    while tokens and tokens[0] in "+-":
        sign = 1 if tokens.popleft() == "+" else -1
        value += sign * _product(tokens)
    return value


def _product(tokens: deque[str]) -> Fraction:
    value = _factor(tokens)
    while tokens and tokens[0] in "*/":
        times = tokens.popleft() == "*"
        factor = _factor(tokens)
        value = value * factor if times else value / factor
    return value


def _factor(tokens: deque[str]) -> Fraction:
    token = tokens.popleft()
    if token == "-":
        return -_factor(tokens)
    if token != "(":
        return Fraction(token)
    value = _sum(tokens)
    if tokens.popleft() != ")":
        raise ValueError("A bracket is not closed.")
    return value
