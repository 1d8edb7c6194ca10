"""Numbers in text: found where they are, read exactly, and never at great cost."""

import random
import time
from fractions import Fraction

import pytest

from lit_iterative.answers.numbers import last_number, parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        (" -5 ", -5),
        ("\u22125", -5),
        ("+7", 7),
        ("1,234,567.5", Fraction(2469135, 2)),
        (".5", Fraction(1, 2)),
        ("0.50", Fraction(1, 2)),
        ("5.", 5),
        ("1/2", Fraction(1, 2)),
        ("-3 / 4", Fraction(-3, 4)),
        ("1 1/2", Fraction(3, 2)),
        ("-1 1/2", Fraction(-3, 2)),
        ("50%", Fraction(1, 2)),
        ("12.5 \\%", Fraction(1, 8)),
        (r"\frac{1}{2}", Fraction(1, 2)),
        (r"-\dfrac{3}{4}", Fraction(-3, 4)),
        (r"\frac12", Fraction(1, 2)),
        (r"2\frac{1}{2}", Fraction(5, 2)),
        ("1.5e3", 1500),
        ("15E-1", Fraction(3, 2)),
        ("1.5 x 10^3", 1500),
        (r"1.5\times 10^{-3}", Fraction(3, 2000)),
        ("3 \u00d7 10^2", 300),
        ("2^10", 1024),
        ("2^{-2}", Fraction(1, 4)),
        ("$5", 5),
        (r"\$1,000.50", Fraction(2001, 2)),
        ("-$3", -3),
        ("$7$", 7),
        (r"12,\!345", 12345),
        ("1{,}000", 1000),
        ("1\u202f000", 1000),
        ("\u0661\u0662\u0663", 123),
        ("\uff11\uff12.\uff15", Fraction(25, 2)),
    ],
)
def test_a_number_is_read_exactly(text: str, value: Fraction | int) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            ".",
            "-",
            "five",
            "x2",
            "1 2",
            "1,23",
            "1,2345",
            "1.2.3",
            "1_000",
            "0x10",
            "nan",
            "inf",
            "1e",
            "5 km",
        ),
        *("1/0", r"\frac{1}{0}", "0^-1", "1e999999999", "1e-999999999", "10^999999", "9" * 300, "1 x 10^99999999999"),
        *("9^99999", "\u00b2", "\u00bd", "\udc80", "\x00", "\u216b"),
    ],
)
def test_what_is_no_number_or_too_large_is_none(text: str) -> None:
    start = time.perf_counter()
    assert parse_number(text) is None
    assert time.perf_counter() - start < 0.5


def test_any_way_to_write_a_fraction_is_read_back() -> None:
    draw = random.Random(0)
    for _ in range(500):
        value = Fraction(draw.randrange(-(10**6), 10**6), 10 ** draw.randrange(5))
        sign, size = "-" if value < 0 else "", abs(value)
        digits = f"{int(size * 10**4):05d}"
        decimal = f"{int(digits[:-4])}.{digits[-4:]}"
        whole, rest = divmod(size, 1)
        forms = [
            f"{sign}{size.numerator}/{size.denominator}",
            f"{sign}{decimal}",
            f"{sign}{int(digits[:-4]):,}.{digits[-4:]}",
            f"{sign}{whole} {rest.numerator}/{rest.denominator}",
            f"{sign}\\frac{{{size.numerator}}}{{{size.denominator}}}",
            f"{sign}{int(size * 10**4)}e-4",
            f"{sign}{int(size * 10**6)}e-4%",
        ]
        assert {parse_number(form) for form in forms} == {value}, forms


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5 + 7 = 12", "12"),
        ("so 5-3 is 2.", "2"),
        ("5-3", "3"),
        ("it is -3", "-3"),
        ("H2O", None),
        ("x2 is 4", "4"),
        ("25 cm^2", "25"),
        ("25 m^{-2}", "25"),
        ("so...42", "42"),
        ("\u7b54\u6848\u662f12", "12"),
        ("3.14.15", "3.14"),
        ("(1, 2, 3)", "3"),
        ("1,234 apples", "1,234"),
        ("a 12% rise", "12%"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        ("10\n1/2", "1/2"),
        ("none", None),
        ("", None),
    ],
)
def test_the_last_number_is_found(text: str, number: str | None) -> None:
    assert last_number(text) == number


PIECES = (
    *(
        "1",
        "1,",
        "1,234,",
        "12,345 ",
        "-",
        "$",
        "1.",
        "\\frac{",
        "\\frac{1",
        "\\frac{1}",
        "1 ",
        "1/",
        "1 1/",
        "1^",
        "1^{",
    ),
    *("1e", "1 x 10", "1 x 10^", "^", "%", "\\", "a1", "\uff11", "1\u00a0", ". ", "x", "\ud800"),
)


@pytest.mark.parametrize("piece", PIECES)
def test_long_texts_take_linear_time(piece: str) -> None:
    text = piece * (400_000 // len(piece))
    start = time.perf_counter()
    last_number(text)
    parse_number(text)
    assert time.perf_counter() - start < 3.0
