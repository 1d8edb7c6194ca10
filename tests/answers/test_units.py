"""Units: the same one under its usual names."""

from fractions import Fraction

import pytest

from lit_iterative.answers.units import Quantity, parse_quantity, unit_of


@pytest.mark.parametrize(
    "names",
    [
        ["km", "Kilometers", "kilometre", "km."],
        ["m2", "m^2", "m\u00b2", "square meters", "sq m", r"\text{ m}^2"],
        ["cm3", "cubic centimeters", "cu cm"],
        ["km/h", "kph", "kilometers per hour", "km / h"],
        ["$", "dollars", "USD", r"\$"],
        ["apple", "apples"],
        ["%", "percent", r"\%"],
        ["glass", "glass"],
        ["", " ", "."],
    ],
)
def test_names_of_one_unit(names: list[str]) -> None:
    assert len({unit_of(name) for name in names}) == 1


def test_other_units_differ() -> None:
    units = ["m", "km", "cm", "m^2", "m^3", "mile", "h", "min", "s", "$", "%", "apple", "pear", "km/h", "mph", ""]
    assert len({unit_of(unit) for unit in units}) == len(units)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("5 km", 5, "km"),
        ("5km", 5, "km"),
        ("$5", 5, "$"),
        ("USD 5", 5, "$"),
        ("5 dollars", 5, "$"),
        ("50%", 50, "%"),
        ("x = 2.5 m^2", Fraction(5, 2), "m2"),
        ("the way is 5 km", 5, "km"),
        ("1/2 cup", Fraction(1, 2), "cup"),
        ("-3 degrees", -3, "°"),
        ("7", 7, ""),
        ("none", None, "none"),
        ("", None, ""),
    ],
)
def test_a_quantity_is_a_number_with_a_unit(text: str, value: Fraction | None, unit: str) -> None:
    assert parse_quantity(text) == Quantity(value, unit)
